"""Reads of endpoints, and the one question that is asked before anything is sent to one."""

from uuid import UUID

from django.utils.translation import gettext as _

from generation.registry.models import EngineEndpoint
from generation.registry.records import EndpointObjection, EndpointRecord
from governance.kernel.errors import NotFound


def get_endpoint(endpoint_id: UUID) -> EndpointRecord:
    """Return one endpoint. Raises: NotFound."""
    row = EngineEndpoint.objects.filter(pk=endpoint_id).first()
    if row is None:
        raise NotFound(_("No endpoint has this id."), pointer="/endpoint")
    return endpoint_record(row)


def find_endpoint(name: str) -> EndpointRecord | None:
    """Find an endpoint by its name with its version, such as `studio@2`."""
    slug, _at, number = name.rpartition("@")
    if not (number.isascii() and number.isdigit()):
        return None
    row = EngineEndpoint.objects.filter(slug=slug, number=int(number)).first()
    return None if row is None else endpoint_record(row)


def list_endpoints() -> list[EndpointRecord]:
    """Return all versions of all endpoints, by name and number."""
    return [endpoint_record(row) for row in EngineEndpoint.objects.order_by("slug", "number")]


def endpoint_objection(name: str, data_class: str) -> EndpointObjection | None:
    """Say what speaks against sending a prompt of that class to an endpoint; None: nothing does."""
    endpoint = find_endpoint(name)
    if endpoint is None or endpoint.state != "approved":
        return EndpointObjection(
            "endpoint_not_in_use",
            _("The endpoint %(name)s, which makes this model's images, is not in use.")
            % {"name": name},
        )
    if data_class not in endpoint.data_classes:
        return EndpointObjection(
            "endpoint_data_class",
            _(
                "This brand's data is “%(class)s”; the endpoint %(name)s, which makes this "
                "model's images, is approved for: %(allowed)s."
            )
            % {"class": data_class, "name": name, "allowed": ", ".join(endpoint.data_classes)},
        )
    return None


def endpoint_record(row: EngineEndpoint) -> EndpointRecord:
    """Return the row as a frozen record."""
    return EndpointRecord(
        id=row.id,
        slug=row.slug,
        number=row.number,
        kind=row.kind,
        place=row.place,
        url=row.url,
        settings=row.settings,
        credential=row.credential,
        data_classes=tuple(row.data_classes),
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )
