"""Which pictures an order starts from, follows or has looked at, of what its template allows.

A picture is an image of the brand that came into review, or one that somebody uploaded with its
rights. Each refusal names its field; rights are asked for apart, as their lack goes on record.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord
from generation.jobs import selectors as jobs
from generation.jobs import services
from generation.jobs.records import PictureRole, Used
from generation.jobs.states import ItemState
from generation.pictures import selectors as pictures
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.policy.permissions import Permission
from governance.policy.permits import may
from governance.policy.predicates import Context
from governance.rights import selectors as rights
from governance.rights.records import Objection
from imprimatur.workflow.wearing import Origin, Wish
from templates.prompts.records import VersionRecord

# How the fields of an order that name a picture begin; a mask is never an image of the brand.
_FIELDS = {"source": "/source", "mask": "/mask", "control": "/control"}


@dataclass(frozen=True, slots=True)
class _Found:
    """A picture that was named, with its bytes' digest and its size."""

    origin: Origin
    sha256: str
    size: tuple[int, int]

    def used(self, role: PictureRole, strength: float | None = None) -> Used:
        """Return it in a role."""
        return Used(
            role=role.value,
            sha256=self.sha256,
            asset_id=self.origin.asset_id,
            picture_id=self.origin.picture_id,
            strength=strength,
        )


def choose(actor: Actor, version: VersionRecord, wish: Wish) -> tuple[Used, ...]:
    """Return the pictures that an order is made from: its source and mask, what it looks at.

    Raises: InvalidInput for what the template does not allow; NotFound for a picture that is not
    the brand's, or that the actor may not see.
    """
    allowed: Mapping[str, Any] = version.content.get("pictures", {})
    _require_one_way(wish)
    found = [
        *_source(actor, version, allowed.get("source"), wish),
        *_references(actor, version, allowed.get("references"), wish),
    ]
    if wish.control is not None and wish.follows:
        followed = _find(actor, version, wish.follows, "/control")
        found.append(followed.used(PictureRole.CONTROL))
    return tuple(found)


def parent_of(used: Sequence[Used], asked: UUID | None) -> UUID | None:
    """Return the image that the new ones come after: one that they are made from is their parent.

    Raises: InvalidInput if another one was asked for.
    """
    images = [each.asset_id for each in used if each.asset_id is not None]
    if images and asked is not None and asked not in images:
        raise InvalidInput(
            _("An image that is made from another one comes after that one, and no other."),
            pointer="/parent_asset_id",
            rule="same_image",
        )
    return images[0] if images and asked is None else asked


def objection(used: Sequence[Used], brand_id: UUID, now: datetime) -> tuple[Objection, str] | None:
    """Return what the rights in the pictures have against the order, and the field at fault."""
    references = iter(range(len(used)))
    for each in used:
        is_reference = each.role == PictureRole.REFERENCE
        field = f"/references/{next(references)}/" if is_reference else f"{_FIELDS[each.role]}_"
        for carrier in services.carriers_of([each], brand_id):
            found = rights.objection(
                subject_id=carrier.id, sha256=carrier.sha256, brand_id=brand_id, now=now
            )
            if found is not None:
                name = "asset_id" if each.asset_id is not None else "picture_id"
                return found, f"{field}{name}"
    return None


def _require_one_way(wish: Wish) -> None:
    """Refuse two ways at once, which no pipeline takes. Raises: InvalidInput."""
    ways = {
        "/source_picture_id": bool(wish.starts_from),
        "/references": bool(wish.references),
        "/control": bool(wish.follows),
    }
    given = [pointer for pointer, is_given in ways.items() if is_given]
    if len(given) > 1:
        raise InvalidInput(
            _(
                "An image starts from a picture, follows one, or has pictures to look at. Ask for "
                "one of these at a time."
            ),
            pointer=given[0],
            rule="exclusive",
        )


def _source(
    actor: Actor, version: VersionRecord, allowed: Mapping[str, Any] | None, wish: Wish
) -> Iterator[Used]:
    """Yield the picture to start from and its mask."""
    if not wish.starts_from:
        for field in ("source_strength", "mask_picture_id", "mask_box"):
            if getattr(wish, field) is not None:
                raise _missing("/source_picture_id", _("This needs a picture to start from."))
        if allowed and allowed["required"]:
            raise _missing("/source_picture_id", _("This template starts from a picture: name it."))
        return
    if not allowed:
        raise _unwanted("/source_picture_id", _("This template starts from no picture."))
    found = _find(actor, version, wish.starts_from, "/source")
    yield found.used(PictureRole.SOURCE, _strength(allowed["strength"], wish.source_strength))
    yield from _mask(actor, version, allowed["masks"], found, wish)


def _strength(span: Mapping[str, Any], asked: float | None) -> float:
    chosen = float(span["default"] if asked is None else asked)
    if not span["minimum"] <= chosen <= span["maximum"]:
        raise InvalidInput(
            _("Its strength must lie between %(least)s and %(most)s.")
            % {"least": span["minimum"], "most": span["maximum"]},
            pointer="/source_strength",
            rule="range",
        )
    return chosen


def _mask(
    actor: Actor, version: VersionRecord, allowed: Sequence[str], source: _Found, wish: Wish
) -> Iterator[Used]:
    """Yield the mask, a picture as large as the source or a box; none is a choice as well."""
    drawn, box = wish.mask_picture_id, wish.mask_box
    if drawn is not None and box is not None:
        raise InvalidInput(
            _("A mask is a picture or a box, not both."), pointer="/mask_box", rule="exclusive"
        )
    kind = "drawn" if drawn is not None else "box" if box is not None else "none"
    if kind not in allowed:
        field = "/mask_picture_id" if "drawn" in {kind, *allowed} and kind != "box" else "/mask_box"
        if kind == "none":
            raise _missing(field, _("This template paints a part anew: say which, by a mask."))
        raise _unwanted(field, _("This template allows no such mask."))
    if box is not None:
        if not (0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1):
            raise InvalidInput(
                _(
                    "The box must lie within the picture: left before right and top before "
                    "bottom, each from 0 to 1."
                ),
                pointer="/mask_box",
                rule="range",
            )
        yield Used(role=PictureRole.MASK.value, box=box)
    if drawn is not None:
        found = _find(actor, version, Origin(picture_id=drawn), "/mask")
        if found.size != source.size:
            raise InvalidInput(
                _("The mask must be as large as its picture, %(width)s × %(height)s px.")
                % {"width": source.size[0], "height": source.size[1]},
                pointer="/mask_picture_id",
                rule="size",
            )
        yield found.used(PictureRole.MASK)


def _references(
    actor: Actor, version: VersionRecord, allowed: Mapping[str, Any] | None, wish: Wish
) -> Iterator[Used]:
    """Yield the pictures that the model looks at, in their order."""
    count = len(wish.references)
    least, most = (allowed["minimum"], allowed["maximum"]) if allowed else (0, 0)
    if count < least:
        raise _missing(
            "/references",
            _("Name at least %(least)s pictures to look at.") % {"least": least},
        )
    if count > most:
        raise InvalidInput(
            _("This template has at most %(most)s pictures to look at.") % {"most": most}
            if most
            else _("This template has no pictures to look at."),
            pointer="/references",
            rule="allowed",
        )
    for place, origin in enumerate(wish.references):
        if not origin:
            raise _missing(f"/references/{place}", _("Name an image or a picture."))
        found = _find(actor, version, origin, f"/references/{place}/")
        yield found.used(PictureRole.REFERENCE)


def _find(actor: Actor, version: VersionRecord, origin: Origin, field: str) -> _Found:
    """Return the brand's image or picture that a field names. Raises: InvalidInput, NotFound."""
    start = field if field.endswith("/") else f"{field}_"
    if origin.asset_id is not None and origin.picture_id is not None:
        raise InvalidInput(
            _("Name an image or a picture, not both."),
            pointer=f"{start}picture_id",
            rule="exclusive",
        )
    if origin.picture_id is not None:
        # Whoever orders may use what the brand has, also with a key, which does not list pictures.
        may_use = may(actor, Permission.RIGHTS_RECORD_USE, Context(brand_id=version.brand_id))
        picture = pictures.get_picture(SYSTEM if may_use else actor, origin.picture_id)
        _require_own(picture.brand_id, version, f"{start}picture_id")
        return _Found(origin, picture.sha256, (picture.width_px, picture.height_px))
    assert origin.asset_id is not None  # noqa: S101  for the type checker: callers named one
    asset = assets.get_asset(actor, origin.asset_id)
    _require_own(asset.brand_id, version, f"{start}asset_id")
    _require_shown(asset, f"{start}asset_id")
    return _Found(origin, asset.sha256, (asset.width_px, asset.height_px))


def _require_own(brand_id: UUID, version: VersionRecord, pointer: str) -> None:
    if brand_id != version.brand_id:
        raise NotFound(_("This template's brand has no such image."), pointer=pointer)


def _require_shown(asset: AssetRecord, pointer: str) -> None:
    """Refuse to use an image that was refused or held. Raises: InvalidInput."""
    _job_id, item = jobs.get_item(SYSTEM, asset.item_id)
    if item.state != ItemState.IN_REVIEW:
        raise InvalidInput(
            _("This image did not come into review, so no other image is made from it."),
            pointer=pointer,
            rule="refused",
        )


def _missing(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, pointer=pointer, rule="required")


def _unwanted(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, pointer=pointer, rule="allowed")
