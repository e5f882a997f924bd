"""Commands on endpoints: proposed by one admin, approved by another, retired by any."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from generation.registry import selectors
from generation.registry.errors import EndpointNotAllowed
from generation.registry.models import EngineEndpoint
from generation.registry.records import EndpointRecord
from generation.registry.states import EndpointPlace
from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.tables.records import wait_for_others
from templates.brands.states import DataClass

LONGEST_URL = 300
LARGEST_SETTINGS_BYTES = 16_384
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SLUG_MAX = 50
_KIND = re.compile(r"[a-z][a-z0-9_]{1,39}")
_CREDENTIAL = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]{0,78}[a-z0-9])?)?")


def propose_endpoint(
    *,
    actor: Actor,
    slug: str,
    kind: str,
    place: str,
    url: str,
    settings: Mapping[str, Any],
    credential: str,
    data_classes: Sequence[str],
    now: datetime,
) -> EndpointRecord:
    """Propose a new version of an endpoint; models may be offered at it once it is approved.

    `data_classes` are those of the brands whose prompts may be sent there; `credential` names a
    file of the workers, and is empty for none. What the settings mean is for the kind to say.
    Raises: NotPermitted; InvalidInput, naming the field and its rule.
    """
    require(actor, Permission.REGISTRY_ENDPOINT_PROPOSE, Context())
    _check_names(slug=slug, kind=kind, credential=credential)
    _check_place(place, url)
    _check_settings(settings)
    _check_classes(data_classes)
    with transaction.atomic():
        # Two proposals of one name at a time would take the same number.
        wait_for_others(f"engine_endpoint {slug}")
        last = EngineEndpoint.objects.filter(slug=slug).aggregate(last=Max("number"))["last"] or 0
        row = EngineEndpoint.objects.create(
            slug=slug,
            number=last + 1,
            kind=kind,
            place=place,
            url=url,
            settings=dict(settings),
            credential=credential,
            data_classes=sorted(data_classes),
            proposed_by=actor.id,
            created_at=now,
        )
        _record(actor, Event.REGISTRY_ENDPOINT_PROPOSED, row, now)
    return selectors.endpoint_record(row)


def approve_endpoint(*, actor: Actor, endpoint_id: UUID, now: datetime) -> EndpointRecord:
    """Approve a proposed endpoint.

    Raises: NotFound; NotPermitted for its proposer; IllegalTransition if it was approved or retired
    before.
    """
    with transaction.atomic():
        row = _get(endpoint_id)
        contributors = frozenset({row.proposed_by})
        require(actor, Permission.REGISTRY_ENDPOINT_APPROVE, Context(contributors=contributors))
        # Before the approval: the database takes none that the ledger does not hold.
        _record(actor, Event.REGISTRY_ENDPOINT_APPROVED, row, now)
        updated = EngineEndpoint.objects.filter(
            pk=row.pk, approved_by__isnull=True, retired_at__isnull=True
        ).update(approved_by=actor.id, approved_at=now)
        if updated != 1:
            raise IllegalTransition(_("This endpoint was approved or retired before."))
    return selectors.get_endpoint(endpoint_id)


def retire_endpoint(*, actor: Actor, endpoint_id: UUID, now: datetime) -> EndpointRecord:
    """Take an endpoint out of use for good: from now on nothing more is sent there.

    Raises: NotFound; NotPermitted; IllegalTransition if it was retired before.
    """
    require(actor, Permission.REGISTRY_ENDPOINT_PROPOSE, Context())
    with transaction.atomic():
        row = _get(endpoint_id)
        updated = EngineEndpoint.objects.filter(pk=row.pk, retired_at__isnull=True).update(
            retired_at=now
        )
        if updated != 1:
            raise IllegalTransition(_("This endpoint was retired before."))
        _record(actor, Event.REGISTRY_ENDPOINT_RETIRED, row, now)
    return selectors.get_endpoint(endpoint_id)


def require_may_send(*, endpoint: str, data_class: str) -> EndpointRecord:
    """Return the endpoint of that name if a prompt of that class may be sent there.

    Raises: EndpointNotAllowed.
    """
    objection = selectors.endpoint_objection(endpoint, data_class)
    found = selectors.find_endpoint(endpoint)
    if objection is not None or found is None:
        reason = objection.reason if objection else _("There is no such endpoint.")
        raise EndpointNotAllowed(reason, endpoint=endpoint)
    return found


def _get(endpoint_id: UUID) -> EngineEndpoint:
    selectors.get_endpoint(endpoint_id)
    return EngineEndpoint.objects.get(pk=endpoint_id)


def _record(actor: Actor, event: Event, row: EngineEndpoint, now: datetime) -> None:
    said = {
        "kind": row.kind,
        "place": row.place,
        "url": row.url,
        "settings": row.settings,
        "credential": row.credential,
        "data_classes": row.data_classes,
    }
    ledger.append(
        actor=actor,
        event=event,
        subject=SubjectRef("engine_endpoint", row.id, sha256=sha256_hex(canonical_json(said))),
        now=now,
        facts={
            "slug": row.slug,
            "number": row.number,
            "kind": row.kind,
            "place": str(row.place),
            "data_classes": list(row.data_classes),
        },
    )


def _check_names(*, slug: str, kind: str, credential: str) -> None:
    if len(slug) > _SLUG_MAX or not _SLUG.fullmatch(slug):
        _refuse(
            "/slug",
            "pattern",
            _("A name has lower-case letters, digits and single hyphens, at most 50 characters."),
        )
    if not _KIND.fullmatch(kind):
        _refuse("/kind", "pattern", _("A kind has lower-case letters, digits and underscores."))
    if not _CREDENTIAL.fullmatch(credential):
        _refuse("/credential", "pattern", _("A credential is the name of a file, and no path."))


def _check_place(place: str, url: str) -> None:
    if place not in EndpointPlace.values:
        _refuse(
            "/place",
            "choice",
            _("An endpoint stands in one of: %(places)s.")
            % {"places": ", ".join(EndpointPlace.values)},
        )
    if not 0 < len(url) <= LONGEST_URL or not url.startswith(("https://", "http://")):
        _refuse("/url", "url", _("The address begins with https:// and has at most 300 letters."))


def _check_settings(settings: Mapping[str, Any]) -> None:
    try:
        size = len(canonical_json(dict(settings)))
    except (TypeError, ValueError):
        _refuse("/settings", "type", _("The settings must be JSON."))
    if size > LARGEST_SETTINGS_BYTES:
        _refuse("/settings", "length", _("The settings are longer than 16 KiB."))


def _check_classes(data_classes: Sequence[str]) -> None:
    if not data_classes or not set(data_classes) <= set(DataClass.values):
        _refuse(
            "/data_classes",
            "choice",
            _("Name the data classes that may be sent there, of: %(classes)s.")
            % {"classes": ", ".join(DataClass.values)},
        )
    if len(set(data_classes)) != len(data_classes):
        _refuse("/data_classes", "unique", _("Name each data class once."))


def _refuse(pointer: str, rule: str, detail: str) -> NoReturn:
    raise InvalidInput(detail, pointer=pointer, rule=rule)
