"""Reads: the requester sees their own refusals and appeals, reviewers and auditors their brands'.

What was refused is sealed; only its author reads it here. Whoever may override it reads it through
`services.reveal_detail`, which records that.
"""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Count, Model, Q, QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor, ActorKind
from governance.kernel.errors import InvalidInput, NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.refusals import wording
from governance.refusals.models import Appeal, Override, Refusal
from governance.refusals.records import AppealRecord, OverrideRecord, PassRecord, RefusalRecord
from governance.refusals.states import OVERRIDABLE_BY, AppealState, Stage
from governance.sealing import services as sealing

DETAIL_PURPOSE = "refusals.detail"
ARGUMENT_PURPOSE = "refusals.appeal.argument"
REASON_PURPOSE = "refusals.override.reason"
LARGEST_PAGE = 200
# Of one person, for one template version, unused and in their time: more is nobody's real work.
MOST_PASSES = 50

Row = TypeVar("Row", bound=Model)


def get_refusal(actor: Actor, refusal_id: UUID) -> RefusalRecord:
    """Return one refusal. Raises: NotFound if there is none, or the actor may not see it."""
    return record_of(find_row(actor, refusal_id))


def list_refusals(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    requester_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[RefusalRecord, ...]:
    """Return a page of what the actor may see, newest first; `after` is the last id before it."""
    rows = _related().filter(_visible(actor))
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if requester_id is not None:
        rows = rows.filter(requester_id=requester_id)
    return tuple(record_of(row) for row in _page(rows, after, limit))


def count_since(since: datetime) -> dict[str, int]:
    """Count the refusals since then by stage, all brands' together: a figure of the installation.

    An id begins with its time, so that only the rows since then are looked at.
    """
    first = UUID(int=int(since.timestamp() * 1000) << 80)
    rows = Refusal.objects.filter(id__gte=first).values_list("stage").annotate(Count("id"))
    return dict.fromkeys(Stage.values, 0) | dict(rows.order_by("stage"))


def find_by_subject(subject_id: UUID) -> RefusalRecord | None:
    """Return the latest refusal of a subject, unscoped: for services, not for screens."""
    row = _related().filter(subject_id=subject_id).order_by("-id").first()
    return None if row is None else record_of(row)


def read_detail(actor: Actor, refusal_id: UUID) -> str | None:
    """Open what the actor was refused; None if there is no such text or it was erased.

    Raises: NotFound; NotPermitted for anybody but the requester.
    """
    row = find_row(actor, refusal_id)
    if row.requester_id != actor.id:
        raise permits.NotPermitted(
            _("Only whoever was refused reads this text without a record of it.")
        )
    return open_detail(row)


def get_appeal(actor: Actor, appeal_id: UUID) -> AppealRecord:
    """Return one appeal with its texts. Raises: NotFound."""
    row = _related_appeals().filter(_visible_appeals(actor), id=appeal_id).first()
    if row is None:
        raise NotFound(_("There is no such appeal."))
    return appeal_record(row, with_texts=True)


def list_appeals(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    refusal_id: UUID | None = None,
    state: str | None = None,
    decidable: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[AppealRecord, ...]:
    """Return a page of the appeals that the actor may see, newest first, without their texts.

    With `decidable`, open ones of brands where the actor may decide, oldest first; that the actor
    had no part in what was refused is asked when they decide.
    """
    rows = _related_appeals().filter(_visible_appeals(actor))
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if refusal_id is not None:
        rows = rows.filter(refusal_id=refusal_id)
    if state is not None:
        if state not in AppealState.values:
            raise InvalidInput(
                _("An appeal is never “%(state)s”.") % {"state": state},
                pointer="/state",
                rule="enum",
            )
        rows = rows.filter(state=state)
    if decidable:
        rows = rows.filter(
            state=AppealState.OPEN,
            brand_id__in=permits.brands_where(actor, Permission.REFUSALS_APPEAL_DECIDE),
        ).exclude(Q(appellant_id=actor.id) | Q(refusal__decided_by=actor.id))
        rows = rows.order_by("id") if after is None else rows.filter(id__gt=after).order_by("id")
        found = rows[: max(1, min(limit, LARGEST_PAGE))]
    else:
        found = _page(rows, after, limit)
    return tuple(appeal_record(row, with_texts=False) for row in found)


def find_appeal(refusal_id: UUID) -> AppealRecord | None:
    """Return the refusal's latest appeal, without texts; for callers that answer for the access."""
    row = _related_appeals().filter(refusal_id=refusal_id).order_by("-id").first()
    return None if row is None else appeal_record(row, with_texts=False)


def find_override(actor: Actor, refusal_id: UUID) -> OverrideRecord | None:
    """Return who overrode a refusal and why, or None. Raises: NotFound for a hidden refusal."""
    row = Override.objects.filter(refusal=find_row(actor, refusal_id)).first()
    return None if row is None else override_record(row)


def find_override_of_order(order_id: UUID) -> OverrideRecord | None:
    """Return the override that let an order pass; for callers that answer for the access."""
    row = Override.objects.filter(use__order_id=order_id).first()
    return None if row is None else override_record(row)


def list_passes(*, requester_id: UUID, subject_id: UUID, now: datetime) -> tuple[PassRecord, ...]:
    """Return the passes that stand for a person and a template version; for our own processes."""
    rows = list(
        Override.objects.filter(
            refusal__requester_id=requester_id,
            refusal__subject_id=subject_id,
            refusal__stage=Stage.PROMPT,
            refusal__detail__isnull=False,
            valid_until__gt=now,
            use__isnull=True,
        )
        .select_related("refusal")
        .order_by("-id")[:MOST_PASSES]
    )
    details = sealing.reveal_all(
        sealed=[bytes(row.refusal.detail or b"") for row in rows], purpose=DETAIL_PURPOSE
    )
    return tuple(PassRecord(row.id, detail) for row, detail in zip(rows, details, strict=True))


def deciding_context(refusal: RefusalRecord, contributors: frozenset[UUID]) -> Context:
    """Return what the permission to decide about a refusal is asked with.

    `contributors` had a part in what was refused; the requester and who refused it count as well.
    """
    refused = frozenset() if refusal.decided_by is None else frozenset({refusal.decided_by})
    return Context(
        brand_id=refusal.brand_id,
        contributors=contributors | refused | {refusal.requester_id},
    )


def find_row(actor: Actor, refusal_id: UUID) -> Refusal:
    """Return the row of a refusal that the actor may see, within this app. Raises: NotFound."""
    row = _related().filter(_visible(actor), id=refusal_id).first()
    if row is None:
        raise NotFound(_("There is no such refusal."))
    return row


def find_appeal_row(actor: Actor, appeal_id: UUID) -> Appeal:
    """Return the row of an appeal that the actor may see, within this app. Raises: NotFound."""
    row = _related_appeals().filter(_visible_appeals(actor), id=appeal_id).first()
    if row is None:
        raise NotFound(_("There is no such appeal."))
    return row


def open_detail(row: Refusal) -> str | None:
    """Open a refusal's sealed text, within this app; None if there is none or it was erased."""
    sealed = row.detail
    return None if sealed is None else sealing.reveal(sealed=bytes(sealed), purpose=DETAIL_PURPOSE)


def record_of(row: Refusal) -> RefusalRecord:
    """Return the refusal as a frozen record, with its explanation."""
    override = getattr(row, "override", None)
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
        # The stage has the last word: an earlier release wrote a role where nobody may.
        overridable_by=OVERRIDABLE_BY.get(row.stage),
        decided_by=row.decided_by,
        override_id=None if override is None else override.id,
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


def appeal_record(row: Appeal, *, with_texts: bool) -> AppealRecord:
    """Return the appeal as a frozen record, with its texts or without."""
    reason = row.reason if with_texts else None
    return AppealRecord(
        id=row.id,
        refusal=record_of(row.refusal),
        brand_id=row.brand_id,
        appellant_id=row.appellant_id,
        state=str(row.state),
        opened_at=row.created_at,
        closed_at=row.closed_at,
        decided_by=row.decided_by,
        argument=(
            sealing.reveal(sealed=bytes(row.argument), purpose=ARGUMENT_PURPOSE)
            if with_texts
            else None
        ),
        reason=None
        if reason is None
        else sealing.reveal(sealed=bytes(reason), purpose=REASON_PURPOSE),
    )


def override_record(row: Override) -> OverrideRecord:
    """Return the override as a frozen record, with its reason."""
    return OverrideRecord(
        id=row.id,
        created_at=row.created_at,
        refusal_id=row.refusal_id,
        appeal_id=row.appeal_id,
        decided_by=row.decided_by,
        reason=sealing.reveal(sealed=bytes(row.reason), purpose=REASON_PURPOSE),
        valid_until=row.valid_until,
    )


def _related() -> QuerySet[Refusal]:
    return Refusal.objects.select_related("override")


def _related_appeals() -> QuerySet[Appeal]:
    return Appeal.objects.select_related("refusal", "refusal__override")


def _page(rows: QuerySet[Row], after: UUID | None, limit: int) -> QuerySet[Row]:
    rows = rows if after is None else rows.filter(id__lt=after)
    return rows.order_by("-id")[: max(1, min(limit, LARGEST_PAGE))]


def _visible(actor: Actor) -> Q:
    return _scope(actor, Permission.REFUSALS_REFUSAL_READ, "requester_id")


def _visible_appeals(actor: Actor) -> Q:
    return _scope(actor, Permission.REFUSALS_APPEAL_READ, "appellant_id")


def _scope(actor: Actor, permission: Permission, owner: str) -> Q:
    if actor.kind is ActorKind.SYSTEM and permits.may(actor, permission, Context()):
        return Q()
    own_brands = permits.brands_where_own(actor, permission)
    return Q(brand_id__in=permits.brands_where(actor, permission)) | Q(
        brand_id__in=own_brands, **{owner: actor.id}
    )
