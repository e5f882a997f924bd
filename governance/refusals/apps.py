"""The refusals app."""

from django.apps import AppConfig


class RefusalsConfig(AppConfig):
    """Names the app."""

    name = "governance.refusals"
    label = "refusals"
