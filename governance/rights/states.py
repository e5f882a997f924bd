"""The words of a rights record: what it rests on, whom it shows, where it stands, what it lacks."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle


class Basis(TextChoices):
    """Why the picture may be used."""

    OWN_WORK = "own_work", _("our own work")
    LICENCE = "licence", _("a licence")
    CONTRACT = "contract", _("a contract")
    PUBLIC_DOMAIN = "public_domain", _("public domain")


# A licence and a contract can be named, so they are.
NAMED = frozenset({Basis.LICENCE.value, Basis.CONTRACT.value})


class PeopleShown(TextChoices):
    """Whom the picture shows; with one minor among them it shows minors."""

    NONE = "none", _("nobody")
    ADULTS = "adults", _("adults")
    MINORS = "minors", _("minors")


class RightsState(TextChoices):
    """Where a version of the record stands; that it has expired is said by the clock alone."""

    WAITING = "waiting", _("waits for confirmation")
    IN_FORCE = "in_force", _("in force")
    WITHDRAWN = "withdrawn", _("withdrawn")
    REPLACED = "replaced", _("replaced by a later version")


RIGHTS = Lifecycle(
    "rights record",
    {
        "confirm": {RightsState.WAITING.value: RightsState.IN_FORCE.value},
        "withdraw": {
            RightsState.WAITING.value: RightsState.WITHDRAWN.value,
            RightsState.IN_FORCE.value: RightsState.WITHDRAWN.value,
        },
        "replace": {
            RightsState.WAITING.value: RightsState.REPLACED.value,
            RightsState.IN_FORCE.value: RightsState.REPLACED.value,
            RightsState.WITHDRAWN.value: RightsState.REPLACED.value,
        },
    },
)


class Lack(TextChoices):
    """Why a picture may not be used."""

    MISSING = "rights_missing", _("no rights on record")
    NOT_CONFIRMED = "rights_not_confirmed", _("not confirmed by a second person")
    NOT_YET = "rights_not_yet", _("not valid yet")
    EXPIRED = "rights_expired", _("expired")
    WITHDRAWN = "rights_withdrawn", _("withdrawn")


class Show(TextChoices):
    """Which pictures a list shows, by their rights."""

    ALL = "all", _("All")
    WAITING = "waiting", _("Waiting for confirmation")
    EXPIRING = "expiring", _("Expiring soon")
    EXPIRED = "expired", _("Expired")
    WITHDRAWN = "withdrawn", _("Withdrawn")
