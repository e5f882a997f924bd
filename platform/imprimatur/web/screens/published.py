"""What was released, where it went, and where it may still go."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.release.records import ReleaseRecord
from governance.review import selectors as review
from imprimatur.accounts import selectors as accounts
from imprimatur.publishing import selectors as publishing
from imprimatur.publishing.selectors import DestinationRecord, PublicationRecord
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
    went = _publications(actor, found)
    withdrawn = _withdrawals(actor, found)
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
                "withdrawal": withdrawn.get(release.id),
                "may_withdraw": release.withdrawn_at is None and _may_withdraw(actor, release),
                "publications": went.get(release.id, []),
                **_offer(actor, release, places, went.get(release.id, [])),
            }
        )
    return {"releases": shown, "page": page}


def withdrawal_page(actor: Actor, release_id: UUID) -> dict[str, Any]:
    """Return what is about to be withdrawn and where copies of it are already.

    Raises: NotFound, NotPermitted.
    """
    release = releases.get_release(actor, release_id)
    if not _may_withdraw(actor, release):
        raise NotPermitted(
            _("Releases are withdrawn by compliance reviewers and brand managers."),
            permission=Permission.PUBLISHING_RELEASE_WITHDRAW.value,
        )
    case = review.find_case_for_subject(release.subject_id)
    picture = assets.find_assets(actor, [release.subject_id]).get(release.subject_id)
    went = publishing.list_publications(actor, release_ids=[release.id], limit=None)
    return {
        "release": {
            "id": release.id,
            "asset_id": release.subject_id,
            "title": case.title if case else _("Released image"),
            "brand": _shared.brand_name(_shared.brands_by_id(actor), release.brand_id),
            "is_withdrawn": release.withdrawn_at is not None,
            "width_px": picture.width_px if picture else None,
            "height_px": picture.height_px if picture else None,
            "copies": [sent for sent in went if sent.state == "published"],
        }
    }


def destinations_by_brand(actor: Actor) -> dict[UUID, list[DestinationRecord]]:
    """Return the approved destinations of each brand."""
    found: dict[UUID, list[DestinationRecord]] = defaultdict(list)
    for destination in publishing.list_destinations(actor):
        found[destination.brand_id].append(destination)
    return dict(found)


def publication_form(
    actor: Actor, release_id: UUID, data: Mapping[str, Any] | None = None
) -> PublicationForm:
    """Return the form of one release, with every destination: a second click is no mistake.

    Raises: NotFound.
    """
    release = releases.get_release(actor, release_id)
    return _form(release, destinations_by_brand(actor), data)


def _publications(
    actor: Actor, found: Sequence[ReleaseRecord]
) -> dict[UUID, list[PublicationRecord]]:
    """Return the deliveries of a page of releases, newest first, with one query for all."""
    by_release: dict[UUID, list[PublicationRecord]] = defaultdict(list)
    if found:
        ids = [release.id for release in found]
        for sent in publishing.list_publications(actor, release_ids=ids, limit=None):
            by_release[sent.release_id].append(sent)
    return by_release


def _withdrawals(actor: Actor, found: Sequence[ReleaseRecord]) -> dict[UUID, dict[str, Any]]:
    """Return who withdrew which release of a page, when and why."""
    gone = [release.id for release in found if release.withdrawn_at is not None]
    records = releases.find_withdrawals(actor, gone) if gone else {}
    names = accounts.display_names({record.actor_id for record in records.values()})
    return {
        release_id: {
            "by": names[record.actor_id],
            "at": record.created_at,
            "reason": record.reason if record.reason is not None else _("Erased"),
        }
        for release_id, record in records.items()
    }


def _may_withdraw(actor: Actor, release: ReleaseRecord) -> bool:
    context = Context(brand_id=release.brand_id)
    return permits.may(actor, Permission.PUBLISHING_RELEASE_WITHDRAW, context)


def _offer(
    actor: Actor,
    release: ReleaseRecord,
    places: Mapping[UUID, list[DestinationRecord]],
    went: Sequence[PublicationRecord],
) -> dict[str, Any]:
    """Return the form to publish where the release is not yet, or why there is none."""
    if release.withdrawn_at is not None:
        return {"hindrance": ""}
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
    taken = {sent.destination_id for sent in went if sent.state != "failed"}
    left = [place for place in places[release.brand_id] if place.id not in taken]
    if not left:
        return {"hindrance": _("Every destination of the brand has it, or is about to get it.")}
    return {"form": _form(release, {release.brand_id: left})}


def _form(
    release: ReleaseRecord,
    places: Mapping[UUID, list[DestinationRecord]],
    data: Mapping[str, Any] | None = None,
) -> PublicationForm:
    choices = [(str(place.id), place.name) for place in places.get(release.brand_id, [])]
    return PublicationForm(choices, data, prefix=f"r{release.id.hex}")
