"""The outbox app."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Names the app."""

    name = "governance.outbox"
    label = "outbox"
