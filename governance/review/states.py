"""The states, verdicts and moves of review cases and emergencies; what an approval needs."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle


class CaseState(TextChoices):
    """Where a review stands."""

    OPEN = "open", _("open")
    APPROVED = "approved", _("approved")
    REJECTED = "rejected", _("rejected")
    CHANGES_REQUESTED = "changes_requested", _("changes requested")
    VOIDED = "voided", _("voided")


class Verdict(TextChoices):
    """What one reviewer says; each is also the name of the act that it may lead to."""

    APPROVE = "approve", _("approve")
    APPROVE_WITH_CHANGES = "approve_with_changes", _("approve with changes")
    REJECT = "reject", _("reject")
    REQUEST_CHANGES = "request_changes", _("request changes")


class ChecklistAnswer(TextChoices):
    """What a reviewer answers to one item of the checklist."""

    YES = "yes", _("yes")
    NO = "no", _("no")
    NOT_APPLICABLE = "not_applicable", _("not applicable")


class BreakGlassState(TextChoices):
    """Where an emergency approval stands."""

    OPENED = "opened", _("opened")
    CONFIRMED = "confirmed", _("confirmed")
    STOPPED = "stopped", _("stopped")
    USED = "used", _("used")
    UPHELD = "upheld", _("upheld")
    FAULTED = "faulted", _("faulted")


class ExhibitKind(TextChoices):
    """What can be filed with a subject."""

    BACKTEST = "backtest", _("backtest")


# What a subject of a kind is never approved without.
NEEDED: dict[str, str] = {"scoring_policy": ExhibitKind.BACKTEST.value}

REVIEW_CASE = Lifecycle(
    "review case",
    {
        "approve": {CaseState.OPEN.value: CaseState.APPROVED.value},
        "approve_with_changes": {CaseState.OPEN.value: CaseState.APPROVED.value},
        "reject": {CaseState.OPEN.value: CaseState.REJECTED.value},
        "request_changes": {CaseState.OPEN.value: CaseState.CHANGES_REQUESTED.value},
        "void": {
            CaseState.OPEN.value: CaseState.VOIDED.value,
            CaseState.APPROVED.value: CaseState.VOIDED.value,
        },
    },
)

BREAK_GLASS = Lifecycle(
    "break-glass",
    {
        "confirm": {BreakGlassState.OPENED.value: BreakGlassState.CONFIRMED.value},
        "stop": {
            BreakGlassState.OPENED.value: BreakGlassState.STOPPED.value,
            BreakGlassState.CONFIRMED.value: BreakGlassState.STOPPED.value,
        },
        "use": {BreakGlassState.CONFIRMED.value: BreakGlassState.USED.value},
        "uphold": {BreakGlassState.USED.value: BreakGlassState.UPHELD.value},
        "fault": {BreakGlassState.USED.value: BreakGlassState.FAULTED.value},
    },
)
