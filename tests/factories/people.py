"""People for tests: two admins by bootstrap, everybody else through the services."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from imprimatur.accounts import selectors, services
from imprimatur.accounts.records import KeyRecord, UserRecord
from imprimatur.accounts.services import NewPerson

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.clock import now as clock_now
from governance.kernel.roles import Role

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PASSWORD = "a quiet harbor at dawn"


def admins() -> tuple[Actor, Actor]:
    """Name the first two people, ada and grace, and return them."""
    services.bootstrap(
        actor=SYSTEM,
        first=NewPerson("ada", "Ada Lovelace", PASSWORD),
        second=NewPerson("grace", "Grace Hopper", PASSWORD),
        now=NOW,
    )
    return acting("ada"), acting("grace")


def add(
    admin: Actor, username: str, *, brand_id: UUID | None = None, roles: Sequence[Role] = ()
) -> UserRecord:
    """Add a person with `roles` in the brand."""
    user = services.create_user(
        actor=admin,
        username=username,
        name=f"{username.capitalize()} Example",
        password=PASSWORD,
        now=NOW,
    )
    for role in roles:
        services.grant_role(actor=admin, user_id=user.id, brand_id=brand_id, role=role, now=NOW)
    return user


def acting(username: str) -> Actor:
    """Return the person as they may act now, just signed in."""
    return replace(selectors.get_actor_by_username(username), authenticated_at=clock_now())


def key(
    actor: Actor, *scopes: str, brand_id: UUID | None = None, days: int = 30
) -> tuple[KeyRecord, str]:
    """Make a key of `actor` that is valid now."""
    now = clock_now()
    return services.create_key(
        actor=actor,
        name="CMS",
        scopes=scopes,
        expires_at=now + timedelta(days=days),
        now=now,
        brand_id=brand_id,
    )
