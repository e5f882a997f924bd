"""Reads: the requester sees their own refusals, reviewers and auditors those of their brands."""

from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor, ActorKind
from governance.kernel.errors import NotFound
from governance.kernel.roles import Role
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.refusals import wording
from governance.refusals.models import Refusal
from governance.refusals.records import RefusalRecord
from governance.sealing import services as sealing

DETAIL_PURPOSE = "refusals.detail"
LARGEST_PAGE = 200


def get_refusal(actor: Actor, refusal_id: UUID) -> RefusalRecord:
    """Return one refusal. Raises: NotFound if there is none, or the actor may not see it."""
    return record_of(_get(actor, refusal_id))


def list_refusals(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    requester_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[RefusalRecord, ...]:
    """Return a page of what the actor may see, newest first; `after` is the last id before it."""
    rows = Refusal.objects.filter(_visible(actor))
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if requester_id is not None:
        rows = rows.filter(requester_id=requester_id)
    if after is not None:
        rows = rows.filter(id__lt=after)
    return _records(rows.order_by("-id")[: max(1, min(limit, LARGEST_PAGE))])


def find_by_subject(subject_id: UUID) -> RefusalRecord | None:
    """Return the latest refusal of a subject, unscoped: for services, not for screens."""
    row = Refusal.objects.filter(subject_id=subject_id).order_by("-id").first()
    return None if row is None else record_of(row)


def read_detail(actor: Actor, refusal_id: UUID) -> str | None:
    """Open the text that was refused; None if there is none or its author was erased.

    Raises: NotFound.
    """
    sealed = _get(actor, refusal_id).detail
    return None if sealed is None else sealing.reveal(sealed=bytes(sealed), purpose=DETAIL_PURPOSE)


def record_of(row: Refusal) -> RefusalRecord:
    """Return the refusal as a frozen record, with its explanation."""
    return RefusalRecord(
        id=row.id,
        created_at=row.created_at,
        brand_id=row.brand_id,
        stage=row.stage,
        category=row.category,
        scorer=row.scorer,
        score=row.score,
        threshold=row.threshold,
        reason=row.reason,
        requester_id=row.requester_id,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        overridable_by=Role(row.overridable_by),
        has_detail=row.detail is not None,
        explanation=wording.explain(
            stage=row.stage,
            reason=row.reason,
            scorer=row.scorer,
            score=row.score,
            threshold=row.threshold,
            overridable_by=row.overridable_by,
        ),
    )


def _get(actor: Actor, refusal_id: UUID) -> Refusal:
    row = Refusal.objects.filter(_visible(actor), id=refusal_id).first()
    if row is None:
        raise NotFound(_("There is no such refusal."))
    return row


def _visible(actor: Actor) -> Q:
    permission = Permission.REFUSALS_REFUSAL_READ
    if actor.kind is ActorKind.SYSTEM and permits.may(actor, permission, Context()):
        return Q()
    own_brands = permits.brands_where_own(actor, permission)
    return Q(brand_id__in=permits.brands_where(actor, permission)) | Q(
        brand_id__in=own_brands, requester_id=actor.id
    )


def _records(rows: QuerySet[Refusal]) -> tuple[RefusalRecord, ...]:
    return tuple(record_of(row) for row in rows)
