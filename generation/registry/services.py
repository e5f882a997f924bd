"""Commands on model profiles: propose, approve, retire; each an act of a person, in the ledger."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from generation.registry import selectors
from generation.registry.models import ModelProfile
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import Actor
from governance.kernel.digests import is_sha256
from governance.kernel.errors import InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.licences import selectors as licences
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.tables.records import wait_for_others

# What every order takes from its profile.
_PARAMETERS: Mapping[str, type[int] | tuple[type[int], type[float]]] = {
    "steps": int,
    "guidance": (int, float),
    "max_sequence_length": int,
}


def propose_profile(  # noqa: PLR0913  a profile is one pin with many parts
    *,
    actor: Actor,
    slug: str,
    name: str,
    family: str,
    pipeline: str,
    folder: str,
    snapshot_sha256: str,
    dtype: str,
    device: str,
    parameters: Mapping[str, Any],
    scorers: Mapping[str, Any],
    is_calibrated: bool,
    licence_id: UUID,
    now: datetime,
) -> ProfileRecord:
    """Propose a new version of a profile; it runs only after somebody else approved it.

    The licence must be on record; that somebody agreed to it is asked at each order.
    Raises: InvalidInput for a folder that leaves the models folder, a digest that is none, or
    parameters that no order could be made with; NotFound for an unknown licence.
    """
    require(actor, Permission.REGISTRY_PROFILE_PROPOSE, Context())
    if not is_sha256(snapshot_sha256):
        raise InvalidInput(
            _("The snapshot digest must be a SHA-256 in lower-case hex."),
            pointer="/snapshot_sha256",
            rule="sha256",
        )
    _check_folder(folder, "/folder")
    _check_folder(str(scorers.get("folder", "")), "/scorers/folder")
    _check_parameters(parameters)
    licence = licences.get_licence(actor, licence_id)
    with transaction.atomic():
        # Two proposals of one name at a time would take the same number.
        wait_for_others(f"model_profile {slug}")
        last = ModelProfile.objects.filter(slug=slug).aggregate(last=Max("number"))["last"] or 0
        profile = ModelProfile.objects.create(
            slug=slug,
            number=last + 1,
            name=name,
            family=family,
            pipeline=pipeline,
            folder=folder,
            snapshot_sha256=snapshot_sha256,
            dtype=dtype,
            device=device,
            parameters=dict(parameters),
            scorers=dict(scorers),
            is_calibrated=is_calibrated,
            licence=licence.identifier,
            licence_id=licence.id,
            proposed_by=actor.id,
            created_at=now,
        )
        ledger.append(
            actor=actor,
            event=Event.REGISTRY_PROFILE_PROPOSED,
            subject=_subject(profile),
            now=now,
            facts={
                "slug": slug,
                "number": profile.number,
                "pipeline": pipeline,
                "licence_id": str(licence.id),
            },
        )
    return selectors.record_of(profile)


def approve_profile(*, actor: Actor, profile_id: UUID, now: datetime) -> ProfileRecord:
    """Approve a proposed profile.

    Raises: NotFound, NotPermitted for its proposer, IllegalTransition if it was approved before.
    """
    with transaction.atomic():
        profile = _get(profile_id)
        require(
            actor,
            Permission.REGISTRY_PROFILE_APPROVE,
            Context(contributors=frozenset({profile.proposed_by})),
        )
        updated = ModelProfile.objects.filter(pk=profile.pk, approved_by__isnull=True).update(
            approved_by=actor.id, approved_at=now
        )
        if updated != 1:
            raise IllegalTransition(_("This model profile was approved before."))
        ledger.append(
            actor=actor,
            event=Event.REGISTRY_PROFILE_APPROVED,
            subject=_subject(profile),
            now=now,
            facts={"slug": profile.slug, "number": profile.number},
        )
    return selectors.get_profile(profile_id)


def retire_profile(*, actor: Actor, profile_id: UUID, now: datetime) -> ProfileRecord:
    """Take a profile out of use; what it made stays what it is."""
    require(actor, Permission.REGISTRY_PROFILE_PROPOSE, Context())
    with transaction.atomic():
        profile = _get(profile_id)
        updated = ModelProfile.objects.filter(pk=profile.pk, retired_at__isnull=True).update(
            retired_at=now
        )
        if updated != 1:
            raise IllegalTransition(_("This model profile was retired before."))
        ledger.append(
            actor=actor,
            event=Event.REGISTRY_PROFILE_RETIRED,
            subject=_subject(profile),
            now=now,
            facts={"slug": profile.slug, "number": profile.number},
        )
    return selectors.get_profile(profile_id)


def _get(profile_id: UUID) -> ModelProfile:
    selectors.get_profile(profile_id)
    return ModelProfile.objects.get(pk=profile_id)


def _subject(profile: ModelProfile) -> SubjectRef:
    return SubjectRef("model_profile", profile.id, sha256=profile.snapshot_sha256)


def _check_folder(folder: str, pointer: str) -> None:
    if not all(part and part not in {".", ".."} for part in folder.split("/")) or "\\" in folder:
        raise InvalidInput(
            _("The folder must lie below the models folder."), pointer=pointer, rule="relative"
        )


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    for name, kinds in _PARAMETERS.items():
        value = parameters.get(name)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < 0:
            raise InvalidInput(
                _("A model profile gives %(name)s as a number.") % {"name": name},
                pointer=f"/parameters/{name}",
                rule="type",
            )
