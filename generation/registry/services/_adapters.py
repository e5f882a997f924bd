"""Commands on adapters: propose, approve, retire; what rests on a retired one is not decided."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from generation.registry import selectors
from generation.registry.errors import AdapterRetired
from generation.registry.models import Adapter
from generation.registry.selectors import AdapterRecord
from generation.registry.services._checks import check_folder, check_sha256
from generation.registry.states import AdapterKind
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.licences import selectors as licences
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.release import services as releases
from governance.tables.records import wait_for_others

# A case of an image names each adapter that made it: "adapter_1", "adapter_2", …
ADAPTER_PIN = "adapter_{number}"
_PINS_MAX = 5
_SLUG = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_SLUG_MAX = 60
_RECORD_MAX = 100_000
_WORDS_MAX = 8
_WORD_MAX = 60


def propose_adapter(
    *,
    actor: Actor,
    slug: str,
    name: str,
    kind: str,
    family: str,
    folder: str,
    snapshot_sha256: str,
    files: Sequence[Mapping[str, Any]],
    trigger_words: Sequence[str],
    training_record: str,
    licence_id: UUID,
    now: datetime,
) -> AdapterRecord:
    """Propose a new version of an adapter; it is worn only after somebody else approved it.

    `training_record` is the text that says what it was trained on and by what right.
    Raises: InvalidInput, naming the field; NotFound for an unknown licence; NotPermitted.
    """
    require(actor, Permission.REGISTRY_ADAPTER_PROPOSE, Context())
    _check(slug=slug, kind=kind, record=training_record, words=trigger_words)
    check_sha256(snapshot_sha256)
    check_folder(folder, "/folder")
    licence = licences.get_licence(actor, licence_id)
    with transaction.atomic():
        # Two proposals of one name at a time would take the same number.
        wait_for_others(f"adapter {slug}")
        last = Adapter.objects.filter(slug=slug).aggregate(last=Max("number"))["last"] or 0
        adapter = Adapter.objects.create(
            slug=slug,
            number=last + 1,
            name=name,
            kind=kind,
            family=family,
            folder=folder,
            snapshot_sha256=snapshot_sha256,
            files=[dict(file) for file in files],
            trigger_words=list(trigger_words),
            training_record=training_record,
            training_record_sha256=sha256_hex(training_record.encode()),
            licence=licence.identifier,
            licence_id=licence.id,
            proposed_by=actor.id,
            created_at=now,
        )
        _record(
            actor,
            Event.REGISTRY_ADAPTER_PROPOSED,
            adapter,
            now,
            kind=kind,
            family=family,
            licence_id=str(licence.id),
            training_record=adapter.training_record_sha256,
        )
    return selectors.adapter_record(adapter)


def approve_adapter(*, actor: Actor, adapter_id: UUID, now: datetime) -> AdapterRecord:
    """Approve a proposed adapter.

    Raises: NotFound, NotPermitted for its proposer, IllegalTransition if it was approved or retired
    before.
    """
    with transaction.atomic():
        adapter = _get(adapter_id)
        require(
            actor,
            Permission.REGISTRY_ADAPTER_APPROVE,
            Context(contributors=frozenset({adapter.proposed_by})),
        )
        waiting = Adapter.objects.filter(
            pk=adapter.pk, approved_by__isnull=True, retired_at__isnull=True
        )
        # The entry first: the guard asks for it.
        _record(actor, Event.REGISTRY_ADAPTER_APPROVED, adapter, now)
        if waiting.update(approved_by=actor.id, approved_at=now) != 1:
            raise IllegalTransition(_("This adapter was approved or retired before."))
    return selectors.get_adapter(adapter_id)


def retire_adapter(*, actor: Actor, adapter_id: UUID, now: datetime) -> AdapterRecord:
    """Take an adapter out of use for good, and void the reviews of images that wear it.

    That is each case that is open, or approved but not yet released; what is released stays, and is
    recalled where that is wanted.
    Raises: NotFound, NotPermitted, IllegalTransition.
    """
    require(actor, Permission.REGISTRY_ADAPTER_PROPOSE, Context())
    with transaction.atomic():
        adapter = _get(adapter_id)
        # What goes into review at this moment is voided below; what comes later finds it retired.
        wait_for_others(_use_lock(adapter.id))
        updated = Adapter.objects.filter(pk=adapter.pk, retired_at__isnull=True).update(
            retired_at=now
        )
        if updated != 1:
            raise IllegalTransition(_("This adapter was retired before."))
        # Cases of every brand, in which who keeps the registry has no part.
        voided = sum(
            releases.void_pinning(
                actor=SYSTEM,
                name=ADAPTER_PIN.format(number=number),
                value=str(adapter.id),
                reason=_("The adapter that this image was made with was retired."),
                now=now,
            )
            for number in range(1, _PINS_MAX + 1)
        )
        _record(actor, Event.REGISTRY_ADAPTER_RETIRED, adapter, now, voided_cases=voided)
    return selectors.get_adapter(adapter_id)


def require_adapters_in_use(adapter_ids: Sequence[UUID]) -> None:
    """Let pass while none is retired, and hold that off until the transaction's end.

    Raises: AdapterRetired.
    """
    for adapter_id in sorted(adapter_ids):
        wait_for_others(_use_lock(adapter_id), is_shared=True)
    retired = Adapter.objects.filter(pk__in=list(adapter_ids), retired_at__isnull=False).first()
    if retired is not None:
        raise AdapterRetired(
            _("The adapter %(name)s was retired, so this image is not made or reviewed any more.")
            % {"name": retired.name},
            adapter_id=str(retired.id),
        )


def _check(*, slug: str, kind: str, record: str, words: Sequence[str]) -> None:
    """Refuse what no adapter can be. Raises: InvalidInput."""
    if not _SLUG.fullmatch(slug) or len(slug) > _SLUG_MAX:
        raise InvalidInput(
            _("A name in addresses has small letters, digits, dots and hyphens, at most 60."),
            pointer="/slug",
            rule="slug",
        )
    if kind not in AdapterKind.values:
        raise InvalidInput(
            _("An adapter is one of: %(kinds)s.") % {"kinds": ", ".join(AdapterKind.values)},
            pointer="/kind",
            rule="choice",
        )
    if not record.strip() or len(record) > _RECORD_MAX:
        raise InvalidInput(
            _("Say what it was trained on and by what right, in at most 100,000 characters."),
            pointer="/training_record",
            rule="required",
        )
    if len(words) > _WORDS_MAX or not all(
        word.strip() and len(word) <= _WORD_MAX and word.isprintable() for word in words
    ):
        raise InvalidInput(
            _("Give at most 8 trigger words of at most 60 characters each."),
            pointer="/trigger_words",
            rule="length",
        )


def _record(
    actor: Actor, event: Event, adapter: Adapter, now: datetime, **facts: str | int
) -> None:
    ledger.append(
        actor=actor,
        event=event,
        subject=SubjectRef("adapter", adapter.id, sha256=adapter.snapshot_sha256),
        now=now,
        facts={"slug": adapter.slug, "number": adapter.number, **facts},
    )


def _get(adapter_id: UUID) -> Adapter:
    selectors.get_adapter(adapter_id)
    return Adapter.objects.get(pk=adapter_id)


def _use_lock(adapter_id: UUID) -> str:
    return f"adapter in use {adapter_id}"
