"""The api app."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Names the app."""

    name = "imprimatur.api"
    label = "api"

    def ready(self) -> None:
        """Load what describes the API."""
        from imprimatur.api import schema  # noqa: F401
