"""The life of a publication: one delivery of a release to a destination, and its recall."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle


class PublicationState(models.TextChoices):
    """Where a publication stands."""

    PENDING = "pending", _("pending")
    DELIVERING = "delivering", _("delivering")
    PUBLISHED = "published", _("published")
    FAILED = "failed", _("failed")
    RECALLING = "recalling", _("recalling")
    RECALLED = "recalled", _("recalled")


class FindingKind(models.TextChoices):
    """How a destination and the records differ."""

    UNKNOWN_OBJECT = "unknown_object", _("an object that nobody authorised")
    MISSING_OBJECT = "missing_object", _("a published image that is not there")
    OTHER_BYTES = "other_bytes", _("other bytes in a published image's place")
    STILL_THERE = "still_there_after_recall", _("a recalled image that is still there")


PUBLICATION = Lifecycle(
    "publication",
    {
        # Out of a lease that ran out, or a wait before the next try, a delivery is taken up again.
        "deliver": {"pending": "delivering", "delivering": "delivering"},
        "publish": {"delivering": "published"},
        # From pending, when the release was withdrawn before anybody began.
        "fail": {"pending": "failed", "delivering": "failed"},
        # A delivery that is under way or failed may have left its bytes there as well.
        "recall": {
            "published": "recalling",
            "delivering": "recalling",
            "failed": "recalling",
        },
        # Tried again until the bytes are seen to be gone; after the last try a person asks anew.
        "unpublish": {"recalling": "recalled"},
    },
)
