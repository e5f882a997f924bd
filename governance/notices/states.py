"""The register of what people are told, alphabetical: a kind that is not here cannot be told."""

from django.db.models import TextChoices


class Kind(TextChoices):
    """What a notice says; its words for people stand with the portal's other words."""

    REVIEW_ASSIGNED = "review.assigned"
    REVIEW_BREAK_GLASS = "review.break_glass"
    REVIEW_BREAK_GLASS_OVERDUE = "review.break_glass_overdue"
    REVIEW_DECIDED = "review.decided"
    REVIEW_DUE_SOON = "review.due_soon"
    REVIEW_ESCALATED = "review.escalated"
    REVIEW_MENTIONED = "review.mentioned"
    REVIEW_OVERDUE = "review.overdue"
    REVIEW_REPLIED = "review.replied"
