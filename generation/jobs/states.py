"""The lives of a job item and of a replay; rendering and scoring are progress, not states."""

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


class ReplayState(models.TextChoices):
    """Where a replay stands."""

    QUEUED = "queued", _("queued")
    LEASED = "leased", _("in work")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class ReplayOutcome(models.TextChoices):
    """What a replay that was done found."""

    SAME = "same", _("the same bytes")
    DRIFTED = "drifted", _("other bytes")


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

REPLAY = Lifecycle(
    "replay",
    {
        "claim": {"queued": "leased", "leased": "leased"},
        "expire": {"leased": "queued"},
        "finish": {"leased": "done"},
        "fail": {"leased": "failed", "queued": "failed"},
    },
)
