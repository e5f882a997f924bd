"""From a profile's pipeline to the place that renders it; nothing is sent unless that is allowed.

Credentials of servers are files in the workers' own folder, which nobody else reads.
"""

import json
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from django.conf import settings as installation
from django.utils.translation import gettext as _

from generation.engines.endpoints import registry as kinds
from generation.engines.endpoints import servers
from generation.engines.endpoints.protocol import EngineEndpoint
from generation.engines.endpoints.servers import Server
from generation.jobs.records import Claim
from generation.registry import selectors, services
from generation.registry.errors import EndpointNotAllowed
from generation.registry.records import EndpointRecord
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from templates.brands import selectors as brands

FOLDER = "endpoints"


class EndpointCredentialMissing(DomainError):
    """This worker cannot sign in at the endpoint; an operator must act."""

    code = "endpoint_credential_missing"


def require_may_send(claim: Claim) -> None:
    """Let pass what is made in this process, and what the brand's data class lets go elsewhere.

    Raises: EndpointNotAllowed.
    """
    if claim.profile.endpoint:
        data_class = brands.get_brand(SYSTEM, claim.brand_id).data_class
        services.require_may_send(endpoint=claim.profile.endpoint, data_class=data_class)


def in_use(name: str) -> EndpointRecord:
    """Return an endpoint in use by its name with its version. Raises: EndpointNotAllowed."""
    found = selectors.find_endpoint(name)
    if found is None or found.state != "approved":
        raise EndpointNotAllowed(
            _("The endpoint %(name)s is not in use.") % {"name": name}, endpoint=name
        )
    return found


def connect(name: str) -> EngineEndpoint:
    """Return an endpoint in use; nothing is sent yet.

    Raises: EndpointNotAllowed, EndpointCredentialMissing, InvalidInput.
    """
    return connect_to(in_use(name))


def connect_to(endpoint: EndpointRecord) -> EngineEndpoint:
    """Return an endpoint as it stands on record, also one that is only proposed."""
    return kinds.connect(_server_of(endpoint), _credential(endpoint.credential))


def require_readable(*, kind: str, place: str, url: str, settings: Mapping[str, object]) -> None:
    """Insist on an endpoint that workers can read. Raises: InvalidInput, naming field and rule."""
    kinds.require_known(servers.read(name="", kind=kind, place=place, url=url, settings=settings))


def _server_of(endpoint: EndpointRecord) -> Server:
    server = servers.read(
        name=endpoint.name,
        kind=endpoint.kind,
        place=endpoint.place,
        url=endpoint.url,
        settings=endpoint.settings,
    )
    return replace(server, ca_file=installation.ENDPOINT_CA_FILE)


def _credential(name: str) -> Mapping[str, str]:
    """Read a credential; the registry took no name that leads anywhere but to its file."""
    if not name:
        return {}
    path = Path(installation.WORKER_KEY_FOLDER) / FOLDER / f"{name}.json"
    try:
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise EndpointCredentialMissing(
                _("The credential file can be read by others; set its mode to 0600."), name=name
            )
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EndpointCredentialMissing(
            _("This process does not have the credential that the endpoint names."), name=name
        ) from error
    except ValueError:
        found = None
    if not isinstance(found, dict):
        # Without the cause: a parser's error quotes the text that it could not read.
        raise EndpointCredentialMissing(_("The credential file is not a JSON object."), name=name)
    return {str(key): str(value) for key, value in found.items()}
