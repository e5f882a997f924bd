"""The publishing app."""

from django.apps import AppConfig


class PublishingConfig(AppConfig):
    """Names the app."""

    name = "imprimatur.publishing"
    label = "publishing"
