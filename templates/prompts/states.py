"""The states of a template version and the one table of moves between them."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle


class VersionState(TextChoices):
    """Where a version stands; who was asked, and what they said, is the review case's to tell."""

    DRAFT = "draft", _("draft")
    IN_REVIEW = "in_review", _("in review")
    RELEASED = "released", _("released")
    RETIRED = "retired", _("retired")


TEMPLATE_VERSION = Lifecycle(
    "template version",
    {
        "submit": {VersionState.DRAFT.value: VersionState.IN_REVIEW.value},
        "release": {VersionState.IN_REVIEW.value: VersionState.RELEASED.value},
        "retire": {
            VersionState.DRAFT.value: VersionState.RETIRED.value,
            VersionState.IN_REVIEW.value: VersionState.RETIRED.value,
            VersionState.RELEASED.value: VersionState.RETIRED.value,
        },
    },
)
