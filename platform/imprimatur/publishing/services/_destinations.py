"""Destinations: proposed by one admin, approved by another, retired by either."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from imprimatur.publishing import credentials, selectors
from imprimatur.publishing.destinations import registry
from imprimatur.publishing.models import Destination
from imprimatur.publishing.selectors import DestinationRecord
from templates.brands import selectors as brands

_FOLDER = "folder"
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_SLUG = 60
_LONGEST_NAME = 120
_LONGEST_FOLDER_URI = 400


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

    Raises: NotPermitted; NotFound for an unknown brand; InvalidInput naming the setting and the
    rule.
    """
    require(actor, Permission.PUBLISHING_DESTINATION_PROPOSE, Context(brand_id=brand_id))
    brands.get_brand(actor, brand_id)
    _require_names(slug, name)
    _require_config(kind, config)
    _require_credential_ref(kind, credential_ref)
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
    """Open a proposed destination.

    Raises: NotFound; NotPermitted, also for its proposer; IllegalTransition.
    """
    selectors.get_destination(actor, destination_id)
    with transaction.atomic():
        destination = Destination.objects.get(pk=destination_id)
        require(
            actor,
            Permission.PUBLISHING_DESTINATION_APPROVE,
            Context(
                brand_id=destination.brand_id,
                contributors=frozenset({destination.proposed_by}),
            ),
        )
        rows = Destination.objects.filter(
            pk=destination.pk, approved_by__isnull=True, retired_at__isnull=True
        )
        if rows.update(approved_by=actor.id, approved_at=now) != 1:
            raise IllegalTransition(_("This destination was approved or retired before."))
        ledger.append(
            actor=actor,
            event=Event.PUBLISHING_DESTINATION_APPROVED,
            subject=SubjectRef("destination", destination.id, destination.brand_id),
            now=now,
        )
    return selectors.get_destination(actor, destination_id)


def retire_destination(*, actor: Actor, destination_id: UUID, now: datetime) -> DestinationRecord:
    """Close a destination for good; what is there stays there.

    Raises: NotFound, NotPermitted, IllegalTransition.
    """
    destination = selectors.get_destination(actor, destination_id)
    require(
        actor,
        Permission.PUBLISHING_DESTINATION_PROPOSE,
        Context(brand_id=destination.brand_id),
    )
    with transaction.atomic():
        rows = Destination.objects.filter(pk=destination_id, retired_at__isnull=True)
        if rows.update(retired_at=now) != 1:
            raise IllegalTransition(_("This destination was retired before."))
        ledger.append(
            actor=actor,
            event=Event.PUBLISHING_DESTINATION_RETIRED,
            subject=SubjectRef("destination", destination.id, destination.brand_id),
            now=now,
        )
    return selectors.get_destination(actor, destination_id)


def is_below_roots(kind: str, config: Mapping[str, Any]) -> bool:
    """Tell whether a folder lies, links followed, below a root that the settings open now."""
    if kind != _FOLDER:
        return True
    path = Path(str(config["path"])).resolve()
    return any(path.is_relative_to(root) for root in settings.DESTINATION_ROOTS)


def _require_names(slug: str, name: str) -> None:
    if len(slug) > _LONGEST_SLUG or not _SLUG.fullmatch(slug):
        raise InvalidInput(
            _("A slug has lower-case letters, digits and single hyphens, at most 60 characters."),
            pointer="/slug",
            rule="pattern",
        )
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidInput(
            _("Give a name of at most %(max)s characters.") % {"max": _LONGEST_NAME},
            pointer="/name",
            rule="length",
        )


def _require_config(kind: str, config: Mapping[str, Any]) -> None:
    if kind not in registry.kinds():
        raise InvalidInput(
            _("There is no destination of this kind."),
            pointer="/kind",
            rule="enum",
            allowed=list(registry.kinds()),
        )
    try:
        registry.require_config(kind, config)
    except InvalidInput as error:
        raise InvalidInput(
            error.detail, pointer=f"/config{error.pointer or ''}", **error.facts
        ) from error
    if not is_below_roots(kind, config):
        raise InvalidInput(
            _("A folder destination must lie below one of DESTINATION_ROOTS."),
            pointer="/config/path",
            rule="destination_roots",
        )
    if kind == _FOLDER and len(Path(config["path"]).as_uri()) > _LONGEST_FOLDER_URI:
        # Else the receipt could not hold where the image lies, after it was sent there.
        raise InvalidInput(
            _("The folder's path is too long."), pointer="/config/path", rule="length"
        )


def _require_credential_ref(kind: str, credential_ref: str) -> None:
    if credential_ref and not credentials.is_name(credential_ref):
        raise InvalidInput(
            _("A credential's name has lower-case letters, digits, hyphens and underscores."),
            pointer="/credential_ref",
            rule="pattern",
        )
    if not credential_ref and registry.needs_credential(kind):
        raise InvalidInput(
            _("A destination of this kind needs a credential."),
            pointer="/credential_ref",
            rule="required",
        )
