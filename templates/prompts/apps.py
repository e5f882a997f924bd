"""The prompts app."""

from django.apps import AppConfig


class PromptsConfig(AppConfig):
    """Names the app."""

    name = "templates.prompts"
    label = "prompts"
