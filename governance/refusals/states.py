"""The words of a refusal: at which stage something was stopped."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Stage(TextChoices):
    """Where it was stopped."""

    PROMPT = "prompt", _("the prompt")
    IMAGE = "image", _("the image")
    GATE = "gate", _("the publish gate")
    QUOTA = "quota", _("the quota")
    LICENCE = "licence", _("the licence")
