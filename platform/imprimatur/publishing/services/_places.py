"""Where a release lies at a destination, and the way there."""

from django.utils.translation import gettext as _

from governance.release.records import ReleaseRecord
from imprimatur.publishing import credentials
from imprimatur.publishing.destinations import registry
from imprimatur.publishing.destinations.protocol import Destination
from imprimatur.publishing.errors import DestinationClosed
from imprimatur.publishing.models import Destination as DestinationRow
from imprimatur.publishing.services._destinations import is_below_roots

_EXTENSION = {"image/png": "png", "image/jpeg": "jpg"}
EXTENSIONS = frozenset(_EXTENSION.values())


def key_of(release: ReleaseRecord) -> str:
    """Return the release's key at any destination: the brand's folder, then its bytes' name."""
    sha256 = release.marked_sha256
    extension = _EXTENSION[release.media_type]
    return f"{release.brand_id}/{sha256[:2]}/{sha256}.{extension}"


def connect(target: DestinationRow) -> Destination:
    """Return the way to a destination, retired or not.

    Raises: DestinationClosed if somebody led it elsewhere or the installation no longer opens it;
    CredentialMissing.
    """
    if target.approved_by is None or not is_below_roots(target.kind, target.config):
        raise DestinationClosed(_("The installation does not open this destination."))
    return registry.connect(target.kind, target.config, credentials.resolve(target.credential_ref))
