"""What every pin of the registry has to be: a digest, and a folder below the models folder."""

from django.utils.translation import gettext as _

from governance.kernel.digests import is_sha256
from governance.kernel.errors import InvalidInput


def check_sha256(text: str) -> None:
    """Refuse a digest that is none. Raises: InvalidInput."""
    if not is_sha256(text):
        raise InvalidInput(
            _("The snapshot digest must be a SHA-256 in lower-case hex."),
            pointer="/snapshot_sha256",
            rule="sha256",
        )


def check_folder(folder: str, pointer: str) -> None:
    """Refuse a folder that leads out of the models folder. Raises: InvalidInput."""
    if not all(part and part not in {".", ".."} for part in folder.split("/")) or "\\" in folder:
        raise InvalidInput(
            _("The folder must lie below the models folder."), pointer=pointer, rule="relative"
        )
