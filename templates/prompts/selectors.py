"""Reads of templates, as frozen records; every content is checked against its digest when read."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from templates.prompts import content as contents
from templates.prompts.errors import ContentBroken, NothingReleased
from templates.prompts.models import PromptTemplate, TemplateRelease, TemplateVersion
from templates.prompts.records import TemplateRecord, VersionRecord
from templates.prompts.states import VersionState


def get_template(actor: Actor, template_id: UUID) -> TemplateRecord:
    """Return one template with its released version, if any. Raises: NotFound."""
    template = _template(actor, template_id)
    return _template_record(template, _labels([template.id]).get(template.id))


def list_templates(
    actor: Actor, brand_id: UUID | None = None, *, released_only: bool = False
) -> tuple[TemplateRecord, ...]:
    """List the templates that the actor may see, by brand and slug."""
    templates = PromptTemplate.objects.order_by("brand_id", "slug")
    if not permits.may(actor, Permission.PROMPTS_TEMPLATE_READ, Context()):
        templates = templates.filter(
            brand_id__in=permits.brands_where(actor, Permission.PROMPTS_TEMPLATE_READ)
        )
    if brand_id is not None:
        templates = templates.filter(brand_id=brand_id)
    found = list(templates)
    labels = _labels([template.id for template in found])
    return tuple(
        _template_record(template, labels.get(template.id))
        for template in found
        if template.id in labels or not released_only
    )


def released_version(actor: Actor, template_id: UUID) -> VersionRecord:
    """Return the version that an order is made from. Raises: NotFound, NothingReleased.

    It is the one released last that is not retired: retiring it puts the one before it, if that was
    not retired too, back in its place.
    """
    template = _template(actor, template_id)
    label = _labels([template.id]).get(template.id)
    if label is None:
        raise NothingReleased(
            _("No version of this template is released, so nothing can be ordered from it."),
            template_id=str(template_id),
        )
    return version_record(label.version)


def get_version(actor: Actor, version_id: UUID) -> VersionRecord:
    """Return one version in whatever state: what an image was ordered from. Raises: NotFound."""
    version = TemplateVersion.objects.select_related("template").filter(pk=version_id).first()
    if version is None or not _may_read(actor, version.brand_id):
        raise NotFound(_("No template version has this id."), pointer="/version_id")
    return version_record(version)


def list_versions(actor: Actor, template_id: UUID) -> tuple[VersionRecord, ...]:
    """List a template's versions, newest first. Raises: NotFound."""
    template = _template(actor, template_id)
    return tuple(version_record(version) for version in _versions(template.id))


def find_template(actor: Actor, brand_id: UUID, slug: str) -> TemplateRecord | None:
    """Find a template by its name within a brand, or None if the actor sees none."""
    template = PromptTemplate.objects.filter(brand_id=brand_id, slug=slug).first()
    if template is None or not _may_read(actor, brand_id):
        return None
    return _template_record(template, _labels([template.id]).get(template.id))


def find_newest_version(actor: Actor, brand_id: UUID, slug: str) -> VersionRecord | None:
    """Find the newest version that is not retired, released or not."""
    template = find_template(actor, brand_id, slug)
    if template is None:
        return None
    version = _versions(template.id).exclude(state=VersionState.RETIRED).first()
    return None if version is None else version_record(version)


def find_by_subject(actor: Actor, subject_id: UUID) -> VersionRecord | None:
    """Find the version that a review case decides about."""
    version = (
        TemplateVersion.objects.select_related("template").filter(subject_id=subject_id).first()
    )
    if version is None or not _may_read(actor, version.brand_id):
        return None
    return version_record(version)


def version_record(version: TemplateVersion) -> VersionRecord:
    """Return the row as a frozen record. Raises: ContentBroken if it lost its digest."""
    if sha256_hex(version.canonical.encode()) != version.sha256:
        raise ContentBroken(
            _(
                "The stored content of this template version is not what was drafted: nothing is "
                "made from it. Tell the platform's administrators."
            ),
            version_id=str(version.id),
        )
    content = contents.restore(version.canonical)
    return VersionRecord(
        id=version.id,
        template_id=version.template_id,
        brand_id=version.brand_id,
        slug=version.template.slug,
        number=version.number,
        name=content["name"],
        content=content,
        subject_id=version.subject_id,
        sha256=version.sha256,
        state=str(version.state),
        created_by=version.created_by,
        created_at=version.created_at,
    )


def _template(actor: Actor, template_id: UUID) -> PromptTemplate:
    template = PromptTemplate.objects.filter(pk=template_id).first()
    if template is None or not _may_read(actor, template.brand_id):
        raise NotFound(_("No template has this id."), pointer="/template_id")
    return template


def _may_read(actor: Actor, brand_id: UUID) -> bool:
    return permits.may(actor, Permission.PROMPTS_TEMPLATE_READ, Context(brand_id=brand_id))


def _versions(template_id: UUID) -> QuerySet[TemplateVersion]:
    return (
        TemplateVersion.objects.select_related("template")
        .filter(template_id=template_id)
        .order_by("-number")
    )


def _labels(template_ids: list[UUID]) -> dict[UUID, TemplateRelease]:
    """Return for each template the label that counts, in one query."""
    labels = (
        TemplateRelease.objects.select_related("version__template")
        .filter(template_id__in=template_ids, version__state=VersionState.RELEASED)
        .order_by("created_at", "id")
    )
    return {label.template_id: label for label in labels}


def _template_record(template: PromptTemplate, label: TemplateRelease | None) -> TemplateRecord:
    released = None if label is None else version_record(label.version)
    return TemplateRecord(
        id=template.id,
        brand_id=template.brand_id,
        slug=template.slug,
        name=template.name if released is None else released.name,
        created_at=template.created_at,
        released=released,
        released_at=None if label is None else label.created_at,
    )
