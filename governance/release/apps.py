"""The release app."""

from django.apps import AppConfig


class ReleaseConfig(AppConfig):
    """Names the app."""

    name = "governance.release"
    label = "release"
