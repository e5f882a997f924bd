"""Names the release app to Django; nothing happens at start."""

from django.apps import AppConfig


class ReleaseConfig(AppConfig):
    """Releases, passports, withdrawals."""

    name = "governance.release"
    label = "release"
