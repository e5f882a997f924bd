"""The life of a publication: one delivery of a release to a destination."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle


class PublicationState(models.TextChoices):
    """Where a publication stands."""

    PENDING = "pending", _("pending")
    DELIVERING = "delivering", _("delivering")
    PUBLISHED = "published", _("published")
    FAILED = "failed", _("failed")


PUBLICATION = Lifecycle(
    "publication",
    {
        # Out of a lease that ran out, or a wait before the next try, a delivery is taken up again.
        "deliver": {"pending": "delivering", "delivering": "delivering"},
        "publish": {"delivering": "published"},
        # From pending, when the release was withdrawn before anybody began.
        "fail": {"pending": "failed", "delivering": "failed"},
    },
)
