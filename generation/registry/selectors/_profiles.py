"""Reads of model profiles, as frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from generation.registry.models import ModelProfile
from generation.registry.records import endpoint_in
from governance.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """One approved or proposed model profile."""

    id: UUID
    slug: str
    number: int
    name: str
    family: str
    pipeline: str
    folder: str
    snapshot_sha256: str
    dtype: str
    device: str
    parameters: Mapping[str, Any]
    scorers: Mapping[str, Any]
    is_calibrated: bool
    licence: str
    is_approved: bool
    is_retired: bool
    licence_id: UUID | None = None

    @property
    def queue(self) -> str:
        """Return the queue of the device class that this profile runs on."""
        return f"render.{self.device}"

    @property
    def endpoint(self) -> str:
        """Return the name of the endpoint that makes its images; empty for this process."""
        return endpoint_in(self.pipeline)

    @property
    def handling(self) -> str:
        """Return how the model is kept and calculated; profiles from before that are plain."""
        return str(self.parameters.get("handling", "resident"))


def get_profile(profile_id: UUID) -> ProfileRecord:
    """Return one profile. Raises: NotFound."""
    profile = ModelProfile.objects.filter(pk=profile_id).first()
    if profile is None:
        raise NotFound(_("No model profile has this id."), pointer="/profile")
    return record_of(profile)


def current_profile(slug: str) -> ProfileRecord:
    """Return the newest approved profile of that name that is not retired. Raises: NotFound."""
    profile = _usable().filter(slug=slug).order_by("-number").first()
    if profile is None:
        raise NotFound(_("No approved model profile has this name."), pointer="/profile", slug=slug)
    return record_of(profile)


def list_profiles() -> list[ProfileRecord]:
    """Return the newest approved profile of each name, by name."""
    newest: dict[str, ProfileRecord] = {}
    for profile in _usable().order_by("slug", "number"):
        newest[profile.slug] = record_of(profile)
    return list(newest.values())


def profiles_under(licence_id: UUID) -> list[UUID]:
    """Return the ids of all profiles, in use or not, that name this licence."""
    rows = ModelProfile.objects.filter(licence_id=licence_id).order_by("id")
    return list(rows.values_list("id", flat=True))


def record_of(profile: ModelProfile) -> ProfileRecord:
    """Return the row as a frozen record."""
    return ProfileRecord(
        id=profile.id,
        slug=profile.slug,
        number=profile.number,
        name=profile.name,
        family=profile.family,
        pipeline=profile.pipeline,
        folder=profile.folder,
        snapshot_sha256=profile.snapshot_sha256,
        dtype=profile.dtype,
        device=profile.device,
        parameters=profile.parameters,
        scorers=profile.scorers,
        is_calibrated=profile.is_calibrated,
        licence=profile.licence,
        is_approved=profile.approved_by is not None,
        is_retired=profile.retired_at is not None,
        licence_id=profile.licence_id,
    )


def _usable() -> QuerySet[ModelProfile]:
    return ModelProfile.objects.filter(approved_by__isnull=False, retired_at__isnull=True)
