"""Names the review app to Django; nothing happens at start."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """Subjects, policies, cases, decisions, approvals."""

    name = "governance.review"
    label = "review"
