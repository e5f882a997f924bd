"""Refuses an approval that lacks the document which it needs."""

from django.utils.translation import gettext as _

from governance.kernel.errors import DomainError
from governance.review.models import Case, Exhibit
from governance.review.states import NEEDED


class ExhibitMissing(DomainError):
    """What is under review is not approved before the document it needs is on file."""

    code = "exhibit_missing"
    status = 409


def require_exhibit(case: Case) -> None:
    """Let pass what needs no document, or has it. Raises: ExhibitMissing."""
    needed = NEEDED.get(case.subject.kind)
    if needed is None:
        return
    filed = Exhibit.objects.filter(subject_id=case.subject_id, sha256=case.sha256, kind=needed)
    if not filed.exists():
        raise ExhibitMissing(
            _("This needs a backtest of exactly this version before anybody approves it: run one."),
            case_id=str(case.id),
            kind=needed,
        )
