"""The life of a job item; rendering and scoring are progress, not states."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle


class ItemState(models.TextChoices):
    """Where an item stands."""

    QUEUED = "queued", _("queued")
    LEASED = "leased", _("in work")
    IN_REVIEW = "in_review", _("in review")
    REFUSED = "refused", _("refused")
    HELD = "held", _("held")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


OPEN_STATES = (ItemState.QUEUED, ItemState.LEASED)

ITEM = Lifecycle(
    "job item",
    {
        "claim": {"queued": "leased", "leased": "leased"},
        "expire": {"leased": "queued"},
        "submit": {"leased": "in_review", "held": "in_review"},
        "refuse": {"leased": "refused", "held": "refused"},
        "hold": {"leased": "held"},
        "overturn": {"refused": "in_review"},
        "fail": {"leased": "failed", "queued": "failed"},
        "cancel": {"queued": "cancelled", "leased": "cancelled"},
    },
)
