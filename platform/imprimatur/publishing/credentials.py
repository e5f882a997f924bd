"""Credentials of destinations: files in the publisher's own folder, resolved by name, by nobody else."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from imprimatur.publishing.errors import CredentialMissing


def resolve(name: str) -> Mapping[str, str]:
    """Return the credential of that name; an empty name needs none.

    Raises: CredentialMissing if this process has no such file, or others can read it.
    """
    if not name:
        return {}
    path = Path(settings.PUBLISHER_KEY_FOLDER) / "credentials" / f"{name}.json"
    try:
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise CredentialMissing(
                _("The credential file can be read by others; set its mode to 0600."), name=name
            )
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CredentialMissing(
            _("This process does not have the credential that the destination names."), name=name
        ) from error
    return {str(key): str(value) for key, value in found.items()}
