"""Reads of licences: what is agreed, its text, and whether it carries a purpose."""

from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import NotFound
from governance.licences.errors import TextDiffers
from governance.licences.models import Licence
from governance.licences.records import LicenceRecord, Objection, Terms
from governance.licences.states import Lack, Purpose
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context


def get_licence(actor: Actor, licence_id: UUID) -> LicenceRecord:
    """Return one licence. Raises: NotFound, also for whoever may see none."""
    row = Licence.objects.defer("text").filter(pk=licence_id).first() if _may_read(actor) else None
    if row is None:
        raise NotFound(_("There is no such licence."), pointer="/licence_id")
    return record_of(row)


def list_licences(
    actor: Actor, *, after: UUID | None = None, limit: int = 50
) -> list[LicenceRecord]:
    """Return a page of all licences, newest first, from before `after`."""
    if not _may_read(actor):
        return []
    rows = Licence.objects.defer("text").order_by("-id")
    if after is not None:
        rows = rows.filter(id__lt=after)
    return [record_of(row) for row in rows[:limit]]


def find_agreed(identifier: str, text_sha256: str) -> LicenceRecord | None:
    """Return the newest licence of that name and text that is agreed and in force, if any."""
    row = (
        Licence.objects.defer("text")
        .filter(
            identifier=identifier,
            text_sha256=text_sha256,
            approved_by__isnull=False,
            retired_at__isnull=True,
        )
        .order_by("-number")
        .first()
    )
    return None if row is None else record_of(row)


def read_text(actor: Actor, licence_id: UUID) -> tuple[bytes, str]:
    """Return the licence's text and its SHA-256. Raises: NotFound, TextDiffers for other bytes.

    The text is checked on every read: who relies on it must not read other words.
    """
    found = get_licence(actor, licence_id)
    text = bytes(Licence.objects.values_list("text", flat=True).get(pk=licence_id))
    if sha256_hex(text) != found.text_sha256:
        raise TextDiffers(
            _("The stored text of this licence is damaged."), licence_id=str(licence_id)
        )
    return text, found.text_sha256


def objection(licence_id: UUID | None, purpose: str) -> Objection | None:
    """Return why the licence does not carry this purpose, or None; unscoped, for services."""
    row = licence_id and Licence.objects.defer("text").filter(pk=licence_id).first()
    if not row:
        return Objection(
            Lack.MISSING, _("This model has no licence on record, so nothing may be made with it.")
        )
    name = row.identifier
    if row.retired_at is not None:
        reason = _("The model's licence (%(name)s) was retired.")
        return Objection(Lack.RETIRED, reason % {"name": name})
    if row.approved_by is None:
        reason = _("The model's licence (%(name)s) waits for a second person's agreement.")
        return Objection(Lack.NOT_AGREED, reason % {"name": name})
    if purpose not in row.purposes:
        reason = _("The model's licence (%(name)s) does not permit %(purpose)s.")
        return Objection(Lack.PURPOSE, reason % {"name": name, "purpose": _in_words(purpose)})
    return None


def record_of(row: Licence) -> LicenceRecord:
    """Return the row as a frozen record."""
    return LicenceRecord(
        id=row.id,
        created_at=row.created_at,
        identifier=row.identifier,
        number=row.number,
        name=row.name,
        text_sha256=row.text_sha256,
        terms=Terms(
            purposes=tuple(row.purposes),
            obligations=tuple(row.obligations),
            revenue_limit=row.revenue_limit,
            revenue_currency=row.revenue_currency,
        ),
        proposed_by=row.proposed_by,
        agreed_by=row.approved_by,
        agreed_at=row.approved_at,
        retired_at=row.retired_at,
    )


def _may_read(actor: Actor) -> bool:
    """Tell whether the actor may see licences: they are everybody's who has a role anywhere."""
    permission = Permission.LICENCES_LICENCE_READ
    return permits.may(actor, permission, Context()) or bool(
        permits.brands_where(actor, permission)
    )


def _in_words(purpose: str) -> str:
    return str(Purpose(purpose).label) if purpose in Purpose.values else f"“{purpose}”"
