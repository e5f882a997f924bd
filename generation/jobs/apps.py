"""The jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Names the app."""

    name = "generation.jobs"
    label = "jobs"
