"""Credentials of destinations: files in the publisher's own folder, which nobody else reads."""

import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from imprimatur.publishing.errors import CredentialMissing

FOLDER = "credentials"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,78}[a-z0-9])?")


def is_name(name: str) -> bool:
    """Tell whether a destination may name its credential so: a name leads nowhere but to its file.

    >>> is_name("demo-s3"), is_name("../relay/checkpoint")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None


def resolve(name: str) -> Mapping[str, str]:
    """Return the credential of that name; an empty name needs none.

    Raises: CredentialMissing if this process has no such file, or others can read it.
    """
    if not name:
        return {}
    if not is_name(name):
        raise CredentialMissing(_("The destination's credential has no proper name."), name=name)
    path = Path(settings.PUBLISHER_KEY_FOLDER) / FOLDER / f"{name}.json"
    try:
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise CredentialMissing(
                _("The credential file can be read by others; set its mode to 0600."), name=name
            )
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CredentialMissing(
            _("This process does not have the credential that the destination names."), name=name
        ) from error
    except ValueError:
        found = None
    if not isinstance(found, dict):
        # Without the cause: a parser's error quotes the text that it could not read.
        raise CredentialMissing(_("The credential file is not a JSON object."), name=name)
    return {str(key): str(value) for key, value in found.items()}
