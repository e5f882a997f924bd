"""Reads of emergencies: who broke the glass for which case, and how it was judged."""

from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.review.models import BreakGlass
from governance.review.records import BreakGlassRecord
from governance.review.selectors._shared import MAX_PAGE, subject_ref
from governance.review.states import BreakGlassState
from governance.sealing import services as sealing

BREAK_GLASS_PURPOSE = "review.break_glass.reason"
JUDGEMENT_PURPOSE = "review.break_glass.judgement"


def get_break_glass(actor: Actor, break_glass_id: UUID) -> BreakGlassRecord:
    """Return one break-glass with its reasons. Raises: NotFound, also where it is hidden."""
    found = visible_break_glass(actor).filter(id=break_glass_id).first()
    if found is None:
        raise NotFound(_("There is no such break-glass."))
    return break_glass_record(found, with_reasons=True)


def list_break_glass(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    case_id: UUID | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[BreakGlassRecord, ...]:
    """Return up to `limit` of those that the actor may see, newest first, without reasons."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(
            _("A page has between 1 and %(max)s entries.") % {"max": MAX_PAGE},
            pointer="/limit",
            rule="range",
        )
    if state is not None and state not in BreakGlassState.values:
        raise InvalidInput(
            _("A break-glass is never “%(state)s”.") % {"state": state},
            pointer="/state",
            rule="enum",
        )
    wanted = {"brand_id": brand_id, "case_id": case_id, "state": state}
    found = visible_break_glass(actor).filter(
        **{name: value for name, value in wanted.items() if value is not None}
    )
    if after is not None:
        found = found.filter(id__lt=after)
    rows = found.order_by("-id")[:limit]
    return tuple(break_glass_record(row, with_reasons=False) for row in rows)


def has_broken_glass(subject_id: UUID, person_id: UUID) -> bool:
    """Tell whether the person had a hand in an emergency about the subject that was not stopped."""
    hand = Q(opened_by=person_id) | Q(confirmed_by=person_id) | Q(judged_by=person_id)
    broken = BreakGlass.objects.filter(hand, subject_id=subject_id)
    return broken.exclude(state=BreakGlassState.STOPPED).exists()


def visible_break_glass(actor: Actor) -> QuerySet[BreakGlass]:
    """Return what the permission to read it lets the actor see, as rows with their cases."""
    found = BreakGlass.objects.select_related("case__subject")
    permission = Permission.REVIEW_BREAK_GLASS_READ
    if permits.may_everywhere(actor, permission):
        return found
    own = Q(brand_id__in=permits.brands_where_own(actor, permission), case__requested_by=actor.id)
    return found.filter(Q(brand_id__in=permits.brands_where(actor, permission)) | own)


def break_glass_record(row: BreakGlass, *, with_reasons: bool) -> BreakGlassRecord:
    """Turn a row with its case into facts."""
    return BreakGlassRecord(
        id=row.id,
        case_id=row.case_id,
        case_state=str(row.case.state),
        subject=subject_ref(row.case.subject),
        title=row.case.title,
        brand_id=row.brand_id,
        requested_by=row.case.requested_by,
        state=str(row.state),
        opened_by=row.opened_by,
        opened_at=row.created_at,
        reason=_revealed(row.reason, BREAK_GLASS_PURPOSE) if with_reasons else None,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
        effective_at=row.effective_at,
        stopped_by=row.stopped_by,
        stopped_at=row.stopped_at,
        used_at=row.used_at,
        judge_until=row.judge_until,
        overdue_at=row.overdue_at,
        judged_by=row.judged_by,
        judged_at=row.judged_at,
        judgement_reason=(
            _revealed(row.judgement_reason, JUDGEMENT_PURPOSE) if with_reasons else None
        ),
    )


def _revealed(sealed: bytes | memoryview | None, purpose: str) -> str | None:
    return None if sealed is None else sealing.reveal(sealed=bytes(sealed), purpose=purpose)
