"""What people brought: pictures with their rights, what waits for a steward, and what ends."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.pictures import selectors as pictures
from generation.pictures.records import PictureRecord
from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted
from governance.policy.predicates import Context
from governance.rights import selectors as rights
from governance.rights.records import RightsRecord
from governance.rights.states import Basis, PeopleShown, Show
from imprimatur.accounts import selectors as accounts
from imprimatur.web.forms.picture import last_day
from imprimatur.web.screens import _shared
from imprimatur.workflow import resting

PAGE = 24
USES = 20


def picture_list(actor: Actor, *, show: str, after: UUID | None, now: datetime) -> dict[str, Any]:
    """Return a page of pictures, and the tabs over it; an unknown `show` shows all."""
    show = show if show in Show.values else Show.ALL
    found, page = _shared.page_of(
        pictures.list_pictures(actor, now=now, show=show, after=after, limit=PAGE + 1),
        PAGE,
        after,
        {"show": show},
    )
    known = _shared.brands_by_id(actor)
    return {
        "pictures": [_card(each, _shared.brand_name(known, each.brand_id), now) for each in found],
        "page": page,
        "show": str(show),
        "tabs": [
            {"code": word.value, "label": word.label, "is_current": word == show} for word in Show
        ],
        "may_add": bool(_brands_to_bring(actor)),
    }


def brand_choices(actor: Actor) -> list[tuple[str, str]]:
    """Return the brands in which the actor may bring pictures. Raises: NotPermitted for none."""
    allowed = _brands_to_bring(actor)
    if not allowed:
        raise NotPermitted(
            _("Pictures are brought by marketers, brand managers and data stewards."),
            permission=Permission.GENERATION_PICTURE_TAKE_IN.value,
        )
    known = _shared.brands_by_id(actor)
    named = [(str(brand_id), _shared.brand_name(known, brand_id)) for brand_id in allowed]
    return sorted(named, key=lambda choice: choice[1])


def picture_page(actor: Actor, picture_id: UUID, now: datetime) -> dict[str, Any]:
    """Return one picture with every version of its rights, and what the actor may do.

    Raises: NotFound.
    """
    picture = pictures.get_picture(actor, picture_id)
    versions = pictures.list_rights(actor, picture_id)
    names = accounts.display_names(_people(picture, versions))
    uses = resting.list_resting(actor, picture.subject_id, limit=USES + 1)
    brand = _shared.brand_name(_shared.brands_by_id(actor), picture.brand_id)
    return {
        "picture": {
            **_card(picture, brand, now),
            "sha256": picture.sha256,
            "received_sha256": picture.received_sha256,
            "received_bytes": picture.received_bytes,
            "received_media_type": picture.received_media_type,
            "size_bytes": picture.size_bytes,
            "uploaded_by": names[picture.uploaded_by],
        },
        "record_id": picture.rights.id,
        "versions": [_version(each, names, now) for each in versions],
        "uses": [
            {
                "kind": each.used_kind.replace("_", " "),
                "id": each.used_id,
                "at": each.created_at,
                "job_id": each.job_id,
                "asset_id": each.asset_id,
                "release_id": each.release_id,
                "withdrawn_at": each.withdrawn_at,
            }
            for each in uses[:USES]
        ],
        "has_more_uses": len(uses) > USES,
        "may_confirm": pictures.may_confirm(actor, picture, [v.recorded_by for v in versions]),
        "may_withdraw": pictures.may_withdraw(actor, picture),
        "may_restate": _may_restate(actor, picture.brand_id),
    }


def rights_to_restate(actor: Actor, picture_id: UUID, now: datetime) -> dict[str, Any]:
    """Return a picture and what its standing rights say, to begin the next version with.

    Raises: NotFound, NotPermitted.
    """
    picture = pictures.get_picture(actor, picture_id)
    if not _may_restate(actor, picture.brand_id):
        raise NotPermitted(
            _("Rights are stated by marketers, brand managers and data stewards."),
            permission=Permission.RIGHTS_RECORD_CREATE.value,
        )
    said = picture.rights.statement
    brand = _shared.brand_name(_shared.brands_by_id(actor), picture.brand_id)
    return {
        "picture": _card(picture, brand, now),
        "initial": {
            "owner": said.owner or "",
            "basis": said.basis,
            "reference": said.reference or "",
            "people_shown": said.people_shown,
            "consent": said.consent or "",
            "evidence": said.evidence or "",
            "evidence_sha256": said.evidence_sha256,
            "valid_from": said.valid_from.date() if said.valid_from else None,
            "expires_on": last_day(said.expires_at),
        },
    }


def waiting(actor: Actor, *, now: datetime, most: int) -> int:
    """Return how many pictures wait for a data steward in the actor's brands, counted to `most`."""
    if not permits.brands_where(actor, Permission.RIGHTS_RECORD_CONFIRM):
        return 0
    return len(rights.list_subjects(actor, show=Show.WAITING, now=now, limit=most))


def _card(picture: PictureRecord, brand: str, now: datetime) -> dict[str, Any]:
    standing = picture.rights.standing(now)
    return {
        "id": picture.id,
        "name": picture.name or _("Name erased"),
        "brand": brand,
        "created_at": picture.created_at,
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "state": f"rights_{standing}",
        "standing": standing,
        "people": _people_word(picture.rights),
        "last_day": last_day(picture.rights.statement.expires_at),
    }


def _version(record: RightsRecord, names: Mapping[UUID, str], now: datetime) -> dict[str, Any]:
    said = record.statement
    facts = [
        (_("Owner"), said.owner),
        (_("Basis"), str(Basis(said.basis).label)),
        (_("Licence or contract"), said.reference),
        (_("People shown"), str(PeopleShown(said.people_shown).label)),
        (_("Consent"), said.consent),
        (_("Proof"), said.evidence),
        (_("SHA-256 of the proof"), said.evidence_sha256),
    ]
    return {
        "number": record.number,
        "state": f"rights_{record.standing(now)}",
        "facts": [
            {"label": label, "text": _("Erased") if text is None else text}
            for label, text in facts
            if text != ""
        ],
        "first_day": said.valid_from,
        "last_day": last_day(said.expires_at),
        "recorded_by": names[record.recorded_by],
        "recorded_at": record.created_at,
        "confirmed_by": names[record.confirmed_by] if record.confirmed_by else "",
        "confirmed_at": record.confirmed_at,
        "withdrawn_by": names[record.withdrawn_by] if record.withdrawn_by else "",
        "withdrawn_at": record.withdrawn_at,
        "withdraw_reason": _("Erased")
        if record.withdrawn_by and record.withdraw_reason is None
        else record.withdraw_reason,
    }


def _people(picture: PictureRecord, versions: tuple[RightsRecord, ...]) -> set[UUID]:
    found = {picture.uploaded_by}
    for each in versions:
        acted = (each.recorded_by, each.confirmed_by, each.withdrawn_by)
        found |= {person for person in acted if person is not None}
    return found


def _people_word(record: RightsRecord) -> str:
    shown = record.statement.people_shown
    return "" if shown == PeopleShown.NONE else str(PeopleShown(shown).label).capitalize()


def _brands_to_bring(actor: Actor) -> frozenset[UUID]:
    return permits.brands_where(actor, Permission.GENERATION_PICTURE_TAKE_IN)


def _may_restate(actor: Actor, brand_id: UUID) -> bool:
    return permits.may(actor, Permission.RIGHTS_RECORD_CREATE, Context(brand_id=brand_id))
