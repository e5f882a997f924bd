"""Whether a person has lately proved who they are: an open session is not enough to decide."""

from datetime import datetime, timedelta

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError


class ReauthenticationNeeded(DomainError):
    """The person has not given their password for too long; the act itself would be permitted."""

    code = "reauthentication_needed"
    status = 403


def is_fresh(actor: Actor, *, now: datetime, within_s: int) -> bool:
    """Tell whether the actor gave their password in the last `within_s` seconds.

    A time to come is no proof: where the clock was put back, the password is asked for again.
    """
    at = actor.authenticated_at
    return at is not None and timedelta() <= now - at <= timedelta(seconds=within_s)


def require_fresh(actor: Actor, *, now: datetime, within_s: int) -> datetime:
    """Return when the actor last gave their password. Raises: ReauthenticationNeeded (403)."""
    at = actor.authenticated_at
    if at is None or not is_fresh(actor, now=now, within_s=within_s):
        raise ReauthenticationNeeded(
            "Give your password again: this act needs a recent proof of who you are.",
            within_s=within_s,
        )
    return at
