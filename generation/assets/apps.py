"""The assets app."""

from django.apps import AppConfig


class AssetsConfig(AppConfig):
    """Names the app."""

    name = "generation.assets"
    label = "assets"
