"""The notices app."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Names the app."""

    name = "governance.notices"
    label = "notices"
