"""The words of the books: who may hold an account, what it counts, and how an entry moves it."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class HolderKind(TextChoices):
    """Whose account it is; an item uses one of each."""

    USER = "user", _("person")
    BRAND = "brand", _("brand")
    MODEL = "model", _("model")


class Unit(TextChoices):
    """What is counted."""

    IMAGE = "image", _("image")


class EntryKind(TextChoices):
    """How an entry moves its account.

    grant: granted +; reserve: reserved +; settle: reserved −, spent +; refund: reserved −.
    """

    GRANT = "grant", _("granted")
    RESERVE = "reserve", _("reserved")
    SETTLE = "settle", _("settled")
    REFUND = "refund", _("refunded")
