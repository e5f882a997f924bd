"""The review app."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """Names the app."""

    name = "governance.review"
    label = "review"
