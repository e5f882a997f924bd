"""Reads of rights: what stands for a subject, whether it carries a use, what ends, what rests."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.rights.models import RightsRecord as Row
from governance.rights.models import Use
from governance.rights.records import SOON, Carrier, Objection, RightsRecord, Statement, UseRecord
from governance.rights.states import Lack, RightsState, Show
from governance.sealing import services as sealing

# Each column of sealed text with its purpose.
PURPOSES = {
    "owner": "rights.owner",
    "reference": "rights.reference",
    "consent": "rights.consent",
    "evidence": "rights.evidence",
    "withdraw_reason": "rights.withdraw_reason",
}


def get_record(actor: Actor, record_id: UUID) -> RightsRecord:
    """Return one version. Raises: NotFound, also for what this actor may not see."""
    return records_of([find_row(actor, record_id)])[0]


def list_records(actor: Actor, subject_id: UUID) -> tuple[RightsRecord, ...]:
    """Return every version of a subject's rights that the actor may see, newest first."""
    rows = Row.objects.filter(subject_id=subject_id, brand_id__in=_brands(actor))
    return records_of(rows.order_by("-number"))


def standing_of(subject_ids: Iterable[UUID]) -> dict[UUID, RightsRecord]:
    """Return the version that stands for each subject; the caller has checked the actor."""
    rows = Row.objects.filter(subject_id__in=list(subject_ids))
    return {
        each.subject_id: each
        for each in records_of(rows.exclude(state=RightsState.REPLACED).order_by("id"))
    }


def list_subjects(
    actor: Actor,
    *,
    show: str,
    now: datetime,
    brand_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[UUID]:
    """Return a page of the subjects whose standing rights are as `show` says, newest first.

    Raises: InvalidInput for an unknown `show`.
    """
    if show not in Show.values:
        raise InvalidInput(
            _("Choose from these: %(words)s.") % {"words": ", ".join(Show.values)},
            parameter="show",
            rule="enum",
        )
    rows = Row.objects.filter(_shown(show, now), brand_id__in=_brands(actor))
    rows = rows.exclude(state=RightsState.REPLACED)
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if after is not None:
        rows = rows.filter(subject_id__lt=after)
    return list(rows.order_by("-subject_id").values_list("subject_id", flat=True)[:limit])


def list_uses(
    actor: Actor, subject_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[UseRecord]:
    """Return a page of what rests on a subject's rights, newest first: what their end concerns."""
    rows = Use.objects.filter(subject_id=subject_id, brand_id__in=_brands(actor)).order_by("-id")
    if after is not None:
        rows = rows.filter(id__lt=after)
    return [use_of(row) for row in rows[:limit]]


def carriers_of(used_ids: Iterable[UUID], *, kind: str) -> list[Carrier]:
    """Return the pictures whose rights carry what is named; unscoped, for services."""
    rows = Use.objects.filter(used_kind=kind, used_id__in=list(used_ids))
    found = rows.order_by("subject_id").values_list("subject_id", "sha256", "brand_id").distinct()
    return [Carrier(*row) for row in found]


def objection(*, subject_id: UUID, sha256: str, brand_id: UUID, now: datetime) -> Objection | None:
    """Return why the rights in these bytes carry no use now, or None; unscoped, for services."""
    row = find_standing(subject_id)
    if row is None or (row.sha256, row.brand_id) != (sha256, brand_id):
        return Objection(
            Lack.MISSING, _("There are no rights on record for this picture in this brand.")
        )
    return _objection_to(row, now)


def find_standing(subject_id: UUID) -> Row | None:
    """Return the row of the version that stands; for this app's services."""
    return Row.objects.filter(subject_id=subject_id).exclude(state=RightsState.REPLACED).first()


def find_row(actor: Actor, record_id: UUID) -> Row:
    """Return a row that the actor may see; for this app's services. Raises: NotFound."""
    row = Row.objects.filter(pk=record_id).first()
    context = Context(brand_id=row.brand_id) if row else Context()
    if row is None or not permits.may(actor, Permission.RIGHTS_RECORD_READ, context):
        raise NotFound(_("There is no such rights record."), pointer="/record_id")
    return row


def records_of(rows: Iterable[Row]) -> tuple[RightsRecord, ...]:
    """Return rows as frozen records, their texts opened with one query for each column."""
    found = list(rows)
    texts = {name: _opened(found, name, purpose) for name, purpose in PURPOSES.items()}
    return tuple(
        _record_of(row, {name: column[place] for name, column in texts.items()})
        for place, row in enumerate(found)
    )


def use_of(row: Use) -> UseRecord:
    """Return the row as a frozen record."""
    return UseRecord(
        id=row.id,
        created_at=row.created_at,
        subject_id=row.subject_id,
        record_id=row.record_id,
        used_kind=row.used_kind,
        used_id=row.used_id,
        used_by=row.used_by,
    )


def _objection_to(row: Row, now: datetime) -> Objection | None:
    if row.state == RightsState.WITHDRAWN:
        return Objection(Lack.WITHDRAWN, _("The rights in this picture were withdrawn."))
    if row.state == RightsState.WAITING:
        return Objection(
            Lack.NOT_CONFIRMED,
            _("A data steward has not confirmed the rights in this picture yet."),
        )
    if row.valid_from is not None and now < row.valid_from:
        return Objection(Lack.NOT_YET, _("The rights in this picture do not hold yet."))
    if row.expires_at is not None and row.expires_at <= now:
        return Objection(Lack.EXPIRED, _("The rights in this picture have expired."))
    return None


def _shown(show: str, now: datetime) -> Q:
    if show == Show.WAITING:
        return Q(state=RightsState.WAITING)
    if show == Show.WITHDRAWN:
        return Q(state=RightsState.WITHDRAWN)
    if show == Show.EXPIRED:
        return Q(state=RightsState.IN_FORCE, expires_at__lte=now)
    if show == Show.EXPIRING:
        return Q(state=RightsState.IN_FORCE, expires_at__gt=now, expires_at__lte=now + SOON)
    return Q()


def _brands(actor: Actor) -> frozenset[UUID]:
    return permits.brands_where(actor, Permission.RIGHTS_RECORD_READ)


def _opened(rows: Sequence[Row], name: str, purpose: str) -> list[str | None]:
    """Return one column's texts in the order of `rows`: "" where there is none, None if erased."""
    sealed = [getattr(row, name) for row in rows]
    opened = iter(
        sealing.reveal_all(sealed=[each for each in sealed if each is not None], purpose=purpose)
    )
    return ["" if each is None else next(opened) for each in sealed]


def _record_of(row: Row, texts: dict[str, str | None]) -> RightsRecord:
    return RightsRecord(
        id=row.id,
        created_at=row.created_at,
        subject_id=row.subject_id,
        sha256=row.sha256,
        brand_id=row.brand_id,
        number=row.number,
        state=row.state,
        statement=Statement(
            owner=texts["owner"],
            basis=row.basis,
            people_shown=row.people_shown,
            reference=texts["reference"],
            consent=texts["consent"],
            biometric_use=row.biometric_use,
            valid_from=row.valid_from,
            expires_at=row.expires_at,
            evidence=texts["evidence"],
            evidence_sha256=row.evidence_sha256,
        ),
        recorded_by=row.recorded_by,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
        withdrawn_by=row.withdrawn_by,
        withdrawn_at=row.withdrawn_at,
        withdraw_reason=texts["withdraw_reason"] if row.withdraw_reason is not None else None,
    )
