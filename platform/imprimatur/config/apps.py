"""The composition root as an app, so that its start-up checks are registered."""

from django.apps import AppConfig


class RootConfig(AppConfig):
    """Registers what must hold in an installation."""

    name = "imprimatur.config"
    label = "config"

    def ready(self) -> None:
        """Load the checks."""
        from imprimatur.config import checks  # noqa: F401
