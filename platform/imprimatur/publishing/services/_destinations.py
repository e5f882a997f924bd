"""Destinations: proposed by one admin, approved by another, retired by either."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from imprimatur.publishing import selectors
from imprimatur.publishing.destinations import registry
from imprimatur.publishing.models import Destination
from imprimatur.publishing.selectors import DestinationRecord


def propose_destination(
    *,
    actor: Actor,
    brand_id: UUID,
    slug: str,
    name: str,
    kind: str,
    config: Mapping[str, Any],
    credential_ref: str,
    now: datetime,
) -> DestinationRecord:
    """Propose a destination; nothing goes there before somebody else approved it.

    Raises: InvalidInput naming the setting and the rule.
    """
    require(actor, Permission.PUBLISHING_DESTINATION_PROPOSE, Context(brand_id=brand_id))
    registry.require_config(kind, config)
    if "path" in config:
        _require_below_roots(Path(str(config["path"])))
    try:
        with transaction.atomic():
            destination = Destination.objects.create(
                brand_id=brand_id,
                slug=slug,
                name=name,
                kind=kind,
                config=dict(config),
                credential_ref=credential_ref,
                proposed_by=actor.id,
                created_at=now,
            )
            ledger.append(
                actor=actor,
                event=Event.PUBLISHING_DESTINATION_PROPOSED,
                subject=SubjectRef("destination", destination.id, brand_id),
                now=now,
                facts={"slug": slug, "kind": kind},
            )
    except IntegrityError as error:
        raise InvalidInput(
            _("The brand has a destination of this name already."), pointer="/slug", rule="unique"
        ) from error
    return selectors.destination_record(destination)


def approve_destination(*, actor: Actor, destination_id: UUID, now: datetime) -> DestinationRecord:
    """Open a proposed destination. Raises: NotPermitted for its proposer."""
    with transaction.atomic():
        destination = _get(destination_id)
        require(
            actor,
            Permission.PUBLISHING_DESTINATION_APPROVE,
            Context(
                brand_id=destination.brand_id,
                contributors=frozenset({destination.proposed_by}),
            ),
        )
        rows = Destination.objects.filter(pk=destination.pk, approved_by__isnull=True)
        if rows.update(approved_by=actor.id, approved_at=now) != 1:
            raise IllegalTransition(_("This destination was approved before."))
        ledger.append(
            actor=actor,
            event=Event.PUBLISHING_DESTINATION_APPROVED,
            subject=SubjectRef("destination", destination.id, destination.brand_id),
            now=now,
        )
    destination.refresh_from_db()
    return selectors.destination_record(destination)


def retire_destination(*, actor: Actor, destination_id: UUID, now: datetime) -> DestinationRecord:
    """Close a destination; what is there stays there."""
    require(actor, Permission.PUBLISHING_DESTINATION_PROPOSE, Context())
    with transaction.atomic():
        destination = _get(destination_id)
        rows = Destination.objects.filter(pk=destination.pk, retired_at__isnull=True)
        if rows.update(retired_at=now) != 1:
            raise IllegalTransition(_("This destination was retired before."))
        ledger.append(
            actor=actor,
            event=Event.PUBLISHING_DESTINATION_RETIRED,
            subject=SubjectRef("destination", destination.id, destination.brand_id),
            now=now,
        )
    destination.refresh_from_db()
    return selectors.destination_record(destination)


def _get(destination_id: UUID) -> Destination:
    destination = Destination.objects.filter(pk=destination_id).first()
    if destination is None:
        raise NotFound(_("No destination has this id."), pointer="/destination_id")
    return destination


def _require_below_roots(path: Path) -> None:
    """Refuse a folder outside the roots that the installation's settings open."""
    if not any(path.resolve().is_relative_to(root) for root in settings.DESTINATION_ROOTS):
        raise InvalidInput(
            _("A folder destination must lie below one of DESTINATION_ROOTS."),
            pointer="/config/path",
            rule="destination_roots",
        )
