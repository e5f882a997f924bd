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
        "deliver": {"pending": "delivering", "delivering": "delivering"},
        "publish": {"delivering": "published"},
        "fail": {"delivering": "failed"},
    },
)
