"""The sealing app."""

from django.apps import AppConfig


class SealingConfig(AppConfig):
    """Names the app."""

    name = "governance.sealing"
    label = "sealing"
