"""The words of the books: who holds an account, what it counts, how an entry and a request move."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle


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


class RequestState(TextChoices):
    """Where a request for more stands."""

    OPEN = "open", _("waiting for a decision")
    GRANTED = "granted", _("granted")
    DECLINED = "declined", _("declined")
    WITHDRAWN = "withdrawn", _("withdrawn")


REQUEST = Lifecycle(
    "quota request",
    {
        "grant": {RequestState.OPEN: RequestState.GRANTED},
        "decline": {RequestState.OPEN: RequestState.DECLINED},
        "withdraw": {RequestState.OPEN: RequestState.WITHDRAWN},
    },
)
