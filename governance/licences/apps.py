"""The licences app."""

from django.apps import AppConfig


class LicencesConfig(AppConfig):
    """Names the app."""

    name = "governance.licences"
    label = "licences"
