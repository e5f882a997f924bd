"""What can go wrong with an appeal or an override; nothing has changed when one of these is raised.

A refused attempt to decide is recorded after its transaction is rolled back.
"""

from governance.kernel.errors import DomainError


class NotOverridable(DomainError):
    """Nobody may override this refusal, so there is no appeal; its explanation says what helps."""

    code = "refusal_not_overridable"
    status = 422


class AppealExists(DomainError):
    """The refusal is under appeal, or an appeal against it was decided: it is heard once."""

    code = "appeal_exists"
    status = 409


class AppealClosed(DomainError):
    """The appeal was decided or withdrawn; whoever came second changes nothing."""

    code = "appeal_closed"
    status = 409


class AlreadyOverridden(DomainError):
    """Somebody has overridden this refusal already."""

    code = "already_overridden"
    status = 409


class ArgumentRequired(DomainError):
    """An appeal says why the refusal is wrong."""

    code = "argument_required"
    status = 422


class ReasonRequired(DomainError):
    """Whoever decides on a refusal says why."""

    code = "reason_required"
    status = 422


class HadAPart(DomainError):
    """Whoever had a part in what was refused, or refused it, does not decide about it."""

    code = "had_a_part"
    status = 403


class PassSpent(DomainError):
    """The override has let its one order through, or its time is over."""

    code = "pass_spent"
    status = 409
