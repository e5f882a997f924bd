"""The review case's states and verdicts, and the one table of moves between the states."""

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
    REJECT = "reject", _("reject")
    REQUEST_CHANGES = "request_changes", _("request changes")


REVIEW_CASE = Lifecycle(
    "review case",
    {
        "approve": {CaseState.OPEN.value: CaseState.APPROVED.value},
        "reject": {CaseState.OPEN.value: CaseState.REJECTED.value},
        "request_changes": {CaseState.OPEN.value: CaseState.CHANGES_REQUESTED.value},
        "void": {
            CaseState.OPEN.value: CaseState.VOIDED.value,
            CaseState.APPROVED.value: CaseState.VOIDED.value,
        },
    },
)
