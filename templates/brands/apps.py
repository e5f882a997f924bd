"""The brands app."""

from django.apps import AppConfig


class BrandsConfig(AppConfig):
    """Names the app."""

    name = "templates.brands"
    label = "brands"
