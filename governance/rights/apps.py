"""The rights app."""

from django.apps import AppConfig


class RightsConfig(AppConfig):
    """Names the app."""

    name = "governance.rights"
    label = "rights"
