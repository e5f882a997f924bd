"""What was released, where it went, and where it may still go."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.release.records import ReleaseRecord
from governance.review import selectors as review
from imprimatur.publishing import selectors as publishing
from imprimatur.publishing.selectors import DestinationRecord
from imprimatur.web.forms.publication import PublicationForm
from imprimatur.web.screens import _shared

PAGE = 12


def published(actor: Actor, after: UUID | None) -> dict[str, Any]:
    """Return a page of releases with their deliveries."""
    found, page = _shared.page_of(
        releases.list_releases(actor, after=after, limit=PAGE + 1), PAGE, after
    )
    known = _shared.brands_by_id(actor)
    subject_ids = [release.subject_id for release in found]
    cases = review.find_cases_for_subjects(subject_ids) if found else {}
    pictures = assets.find_assets(actor, subject_ids) if found else {}
    places = destinations_by_brand(actor)
    shown = []
    for release in found:
        case, picture = cases.get(release.subject_id), pictures.get(release.subject_id)
        shown.append(
            {
                "id": release.id,
                "asset_id": release.subject_id,
                "title": case.title if case else _("Released image"),
                "brand": _shared.brand_name(known, release.brand_id),
                "created_at": release.created_at,
                "is_withdrawn": release.withdrawn_at is not None,
                "reviewed_sha256": release.reviewed_sha256,
                "marked_sha256": release.marked_sha256,
                "marking_profile": release.marking_profile,
                "width_px": picture.width_px if picture else None,
                "height_px": picture.height_px if picture else None,
                "publications": publishing.list_publications(actor, release_id=release.id),
                **_offer(actor, release, places),
            }
        )
    return {"releases": shown, "page": page}


def destinations_by_brand(actor: Actor) -> dict[UUID, list[DestinationRecord]]:
    """Return the approved destinations of each brand."""
    found: dict[UUID, list[DestinationRecord]] = defaultdict(list)
    for destination in publishing.list_destinations(actor):
        found[destination.brand_id].append(destination)
    return dict(found)


def publication_form(
    actor: Actor, release_id: UUID, data: Mapping[str, Any] | None = None
) -> PublicationForm:
    """Return the form of one release. Raises: NotFound."""
    release = releases.get_release(actor, release_id)
    return _form(release, destinations_by_brand(actor), data)


def _offer(
    actor: Actor, release: ReleaseRecord, places: Mapping[UUID, list[DestinationRecord]]
) -> dict[str, Any]:
    """Return the form to publish, or why there is none."""
    if release.withdrawn_at is not None:
        return {"hindrance": _("It was withdrawn, so it is not published again.")}
    context = Context(brand_id=release.brand_id)
    if not permits.may(actor, Permission.PUBLISHING_PUBLICATION_CREATE, context):
        return {"hindrance": ""}
    if release.brand_id not in places:
        return {
            "hindrance": _(
                "The brand has no approved destination yet. "
                "A platform admin proposes one, another approves it."
            )
        }
    return {"form": _form(release, places)}


def _form(
    release: ReleaseRecord,
    places: Mapping[UUID, list[DestinationRecord]],
    data: Mapping[str, Any] | None = None,
) -> PublicationForm:
    choices = [(str(place.id), place.name) for place in places.get(release.brand_id, [])]
    return PublicationForm(choices, data, prefix=f"r{release.id.hex}")
