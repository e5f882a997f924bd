"""Commands on model profiles: propose, approve, retire; each an act of a person, in the ledger."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from generation.registry import conventions, selectors
from generation.registry.errors import LicencePermitsMore
from generation.registry.models import ModelProfile
from generation.registry.selectors import ProfileRecord
from generation.registry.services._checks import check_folder, check_sha256
from governance.kernel.actors import Actor
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
# What a proposal under a convention adds to them, for whoever approves it and for the ledger.
_SAID = ("convention", "licence_permits_more")


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
    convention: str = "",
    licence_permits_more: bool = False,
) -> ProfileRecord:
    """Propose a new version of a profile; it runs only after somebody else approved it.

    The licence must be on record; that somebody agreed to it is asked at each order. `convention`
    names what the model is, if it is one that many use: then a licence on record that permits more
    than the model's own must be said to (`licence_permits_more`), which stays with the profile.
    Raises: InvalidInput for a folder that leaves the models folder, a digest that is none, or
    parameters that no order could be made with; NotFound for an unknown licence; UnknownConvention,
    ConventionMismatch, LicencePermitsMore.
    """
    require(actor, Permission.REGISTRY_PROFILE_PROPOSE, Context())
    check_sha256(snapshot_sha256)
    check_folder(folder, "/folder")
    check_folder(str(scorers.get("folder", "")), "/scorers/folder")
    _check_parameters(parameters)
    licence = licences.get_licence(actor, licence_id)
    said = conventions.hold(
        convention, pipeline=pipeline, licence=licence, permits_more=licence_permits_more
    )
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
            parameters={**parameters, **said},
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
                **said,
            },
        )
    return selectors.record_of(profile)


def approve_profile(
    *, actor: Actor, profile_id: UUID, now: datetime, licence_permits_more: bool = False
) -> ProfileRecord:
    """Approve a proposed profile.

    Where its proposer said that the licence permits more than the model's own, so must the second
    person. Raises: NotFound, NotPermitted for its proposer, IllegalTransition if it was approved
    before, LicencePermitsMore.
    """
    with transaction.atomic():
        profile = _get(profile_id)
        require(
            actor,
            Permission.REGISTRY_PROFILE_APPROVE,
            Context(contributors=frozenset({profile.proposed_by})),
        )
        more = profile.parameters.get("licence_permits_more", [])
        if more and not licence_permits_more:
            raise LicencePermitsMore(
                _(
                    "The proposer said that the licence on record (%(name)s) permits more than the "
                    "model's own: %(more)s. Approve it only if you say so too."
                )
                % {"name": profile.licence, "more": conventions.in_words(more)},
                pointer="/licence_id",
                more=more,
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
            facts={
                "slug": profile.slug,
                "number": profile.number,
                **{name: profile.parameters[name] for name in _SAID if name in profile.parameters},
            },
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


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    for name, kinds in _PARAMETERS.items():
        value = parameters.get(name)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < 0:
            raise InvalidInput(
                _("A model profile gives %(name)s as a number.") % {"name": name},
                pointer=f"/parameters/{name}",
                rule="type",
            )
