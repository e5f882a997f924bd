"""The words of a licence: what one may use a model for, what one owes, and what stands against."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Purpose(TextChoices):
    """What images are made for."""

    COMMERCIAL = "commercial", _("commercial use")
    INTERNAL = "internal", _("internal use")
    RESEARCH = "research", _("research")
    EDUCATION = "education", _("education")


class Obligation(TextChoices):
    """What whoever uses the model owes its licensor."""

    NOTICE = "notice", _("pass the licence's text on")
    ATTRIBUTION = "attribution", _("name the author")
    USAGE_REPORT = "usage_report", _("report the use")


class Lack(TextChoices):
    """Why a licence does not carry an order."""

    MISSING = "licence_missing", _("no licence on record")
    NOT_AGREED = "licence_not_agreed", _("not agreed by a second person")
    RETIRED = "licence_retired", _("retired")
    PURPOSE = "licence_purpose", _("the purpose is not permitted")
