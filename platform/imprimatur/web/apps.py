"""The web app."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Names the app."""

    name = "imprimatur.web"
    label = "web"
