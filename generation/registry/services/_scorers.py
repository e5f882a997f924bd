"""Commands on registered scorers: proposed by one admin, approved by another, retired by any."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from django.conf import settings as installation
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from generation.registry import selectors
from generation.registry.models import ModelProfile, ScorerProfile
from generation.registry.selectors import ScorerRecord
from generation.registry.services._checks import check_folder, check_sha256
from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.licences import selectors as licences
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.tables.records import wait_for_others

LONGEST_TITLE = 80
LONGEST_VERSION = 40
LONGEST_FOLDER = 200
LARGEST_SETTINGS_BYTES = 16_384
_NAME = re.compile(r"[a-z][a-z0-9_]{1,59}")


class ScorerIdTaken(DomainError):
    """A model profile in use brings a scorer of this id along."""

    code = "scorer_id_taken"
    status = 409


class LicenceObjects(DomainError):
    """The licence of a scorer does not carry what this installation does."""

    code = "licence_objects"


def propose_scorer(  # noqa: PLR0913  a scorer is one pin with many parts
    *,
    actor: Actor,
    scorer: str,
    title: str,
    kind: str,
    version: str,
    folder: str,
    snapshot_sha256: str,
    settings: Mapping[str, Any],
    higher_is: str,
    low: float | None,
    high: float | None,
    inputs: Sequence[str],
    cost_ms: float,
    licence_id: UUID,
    now: datetime,
) -> ScorerRecord:
    """Propose a new version of a scorer; policies may rely on it once somebody else approved it.

    `scorer` is the id that policies name, `kind` the entry point that makes it; `low` and `high`
    are the ends of its range, None for no end; `cost_ms` is declared, for one image.

    Raises: NotPermitted; InvalidInput naming the field and its rule; NotFound for an unknown
    licence; ScorerIdTaken if a model profile in use brings a scorer of that id.
    """
    require(actor, Permission.REGISTRY_SCORER_PROPOSE, Context())
    for name, value in (("/scorer", scorer), ("/kind", kind)):
        _check_name(value, name)
    if not 0 < len(title) <= LONGEST_TITLE:
        _refuse("/title", "length", _("The title has 1 to 80 characters."))
    if not 0 < len(version) <= LONGEST_VERSION:
        _refuse("/version", "length", _("The version has 1 to 40 characters."))
    check_sha256(snapshot_sha256)
    check_folder(folder, "/folder")
    if len(folder) > LONGEST_FOLDER:
        _refuse("/folder", "length", _("The folder's name has at most 200 characters."))
    _check_settings(settings)
    _check_figures(higher_is, low, high, cost_ms)
    licence = licences.get_licence(actor, licence_id)
    with transaction.atomic():
        # Two proposals of one id at a time would take the same number.
        wait_for_others(f"scorer_profile {scorer}")
        _check_free(scorer)
        versions = ScorerProfile.objects.filter(scorer=scorer)
        last = versions.aggregate(last=Max("number"))["last"] or 0
        row = ScorerProfile.objects.create(
            scorer=scorer,
            number=last + 1,
            title=title,
            kind=kind,
            version=version,
            folder=folder,
            snapshot_sha256=snapshot_sha256,
            settings=dict(settings),
            higher_is=higher_is,
            low=low,
            high=high,
            inputs=sorted(inputs),
            cost_ms=cost_ms,
            licence=licence.identifier,
            licence_id=licence.id,
            proposed_by=actor.id,
            created_at=now,
        )
        _record(actor, Event.REGISTRY_SCORER_PROPOSED, row, now, licence_id=str(licence.id))
    return selectors.scorer_record(row)


def approve_scorer(*, actor: Actor, scorer_id: UUID, now: datetime) -> ScorerRecord:
    """Approve a proposed scorer under a licence that is agreed and permits the use.

    Raises: NotFound; NotPermitted for its proposer; LicenceObjects; ScorerIdTaken;
    IllegalTransition if it was approved or retired before.
    """
    with transaction.atomic():
        row = _get(scorer_id)
        contributors = frozenset({row.proposed_by})
        require(actor, Permission.REGISTRY_SCORER_APPROVE, Context(contributors=contributors))
        _check_licence(row.licence_id)
        _check_free(row.scorer)
        # Before the approval: the database takes none that the ledger does not hold.
        _record(actor, Event.REGISTRY_SCORER_APPROVED, row, now)
        updated = ScorerProfile.objects.filter(
            pk=row.pk, approved_by__isnull=True, retired_at__isnull=True
        ).update(approved_by=actor.id, approved_at=now)
        if updated != 1:
            raise IllegalTransition(_("This scorer was approved or retired before."))
    return selectors.get_scorer(scorer_id)


def retire_scorer(*, actor: Actor, scorer_id: UUID, now: datetime) -> ScorerRecord:
    """Take a scorer out of use; what it measured stays, and policies that name it hold.

    Raises: NotFound; NotPermitted; IllegalTransition if it was retired before.
    """
    require(actor, Permission.REGISTRY_SCORER_PROPOSE, Context())
    with transaction.atomic():
        row = _get(scorer_id)
        updated = ScorerProfile.objects.filter(pk=row.pk, retired_at__isnull=True).update(
            retired_at=now
        )
        if updated != 1:
            raise IllegalTransition(_("This scorer was retired before."))
        _record(actor, Event.REGISTRY_SCORER_RETIRED, row, now)
    return selectors.get_scorer(scorer_id)


def _get(scorer_id: UUID) -> ScorerProfile:
    row = ScorerProfile.objects.filter(pk=scorer_id).first()
    if row is None:
        raise NotFound(_("No registered scorer has this id."), pointer="/scorer")
    return row


def _record(actor: Actor, event: Event, row: ScorerProfile, now: datetime, **facts: str) -> None:
    ledger.append(
        actor=actor,
        event=event,
        subject=SubjectRef("scorer_profile", row.id, sha256=row.snapshot_sha256),
        now=now,
        facts={"scorer": row.scorer, "number": row.number, "kind": row.kind, **facts},
    )


def _check_free(scorer: str) -> None:
    """Refuse the id of a scorer that a model profile in use brings: two would answer to it."""
    rows = ModelProfile.objects.filter(approved_by__isnull=False, retired_at__isnull=True)
    for profile in rows.order_by("slug", "number"):
        entries = profile.scorers.get("entries", [])
        if scorer in {entry.get("id") or entry.get("kind") for entry in entries}:
            raise ScorerIdTaken(
                _("The model profile %(profile)s brings a scorer named %(scorer)s along.")
                % {"profile": str(profile), "scorer": scorer},
                pointer="/scorer",
            )


def _check_licence(licence_id: UUID) -> None:
    objection = licences.objection(licence_id, installation.PURPOSE)
    if objection is not None:
        raise LicenceObjects(objection.reason, category=objection.category)


def _check_name(value: str, pointer: str) -> None:
    if not _NAME.fullmatch(value):
        _refuse(
            pointer,
            "pattern",
            _("A scorer's name has 2 to 60 characters: a to z, 0 to 9 and _; a letter is first."),
        )


def _check_settings(settings: Mapping[str, Any]) -> None:
    try:
        size = len(canonical_json(dict(settings)))
    except (TypeError, ValueError):
        _refuse("/settings", "type", _("The settings must be JSON."))
    if size > LARGEST_SETTINGS_BYTES:
        _refuse("/settings", "length", _("The settings are longer than 16 KiB."))


def _check_figures(higher_is: str, low: float | None, high: float | None, cost_ms: float) -> None:
    if higher_is not in {"better", "worse"}:
        _refuse("/higher_is", "choice", _("A higher value is either better or worse."))
    for name, value in (("/low", low), ("/high", high)):
        if value is not None and not math.isfinite(value):
            _refuse(name, "type", _("An end of the range is a finite number, or left out."))
    if low is not None and high is not None and low >= high:
        _refuse("/high", "order", _("The range goes from the lower to the higher value."))
    if not math.isfinite(cost_ms) or cost_ms < 0:
        _refuse("/cost_ms", "type", _("The cost is a number of milliseconds."))


def _refuse(pointer: str, rule: str, detail: str) -> NoReturn:
    raise InvalidInput(detail, pointer=pointer, rule=rule)
