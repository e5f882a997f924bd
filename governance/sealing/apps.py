"""Names the sealing app to Django; nothing happens at start."""

from django.apps import AppConfig


class SealingConfig(AppConfig):
    """Personal text under a key per person."""

    name = "governance.sealing"
    label = "sealing"
