"""The registry app."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Names the app."""

    name = "generation.registry"
    label = "registry"
