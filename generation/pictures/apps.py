"""The pictures app."""

from django.apps import AppConfig


class PicturesConfig(AppConfig):
    """Names the app."""

    name = "generation.pictures"
    label = "pictures"
