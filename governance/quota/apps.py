"""The quota app."""

from django.apps import AppConfig


class QuotaConfig(AppConfig):
    """Names the app."""

    name = "governance.quota"
    label = "quota"
