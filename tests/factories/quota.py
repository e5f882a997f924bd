"""Quota as a test needs it: holders with something granted, by an admin who holds none of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.quota import selectors, services
from governance.quota.records import AccountRecord

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PERIOD = "2026-11"


def platform_admin() -> Actor:
    """Return somebody who may grant."""
    return Actor(id=uuid7(), is_platform_admin=True)


def grant_images(holder_id: UUID, brand_id: UUID | None, images: int, kind: str = "user") -> None:
    """Grant somebody, or a model, so many images."""
    services.grant(
        actor=platform_admin(),
        holder_kind=kind,
        holder_id=holder_id,
        brand_id=brand_id,
        period=PERIOD,
        amount=images,
        now=NOW,
    )


@dataclass(frozen=True)
class Holders:
    """One person, one brand, one model, and whoever granted to them."""

    user_id: UUID = field(default_factory=uuid7)
    brand_id: UUID = field(default_factory=uuid7)
    profile_id: UUID = field(default_factory=uuid7)
    admin: Actor = field(default_factory=platform_admin)

    def key(self, kind: str) -> dict[str, object]:
        """Return what names the account of that kind."""
        return {
            "user": {"holder_id": self.user_id, "brand_id": self.brand_id},
            "brand": {"holder_id": self.brand_id, "brand_id": self.brand_id},
            "model": {"holder_id": self.profile_id, "brand_id": None},
        }[kind] | {"holder_kind": kind, "period": PERIOD}

    def grant(self, kind: str, amount: int) -> AccountRecord:
        """Grant through the service."""
        return services.grant(actor=self.admin, **self.key(kind), amount=amount, now=NOW)

    def reserve(self, *item_ids: UUID, cost: int = 1) -> None:
        """Reserve through the service."""
        services.reserve(
            item_ids=item_ids,
            user_id=self.user_id,
            brand_id=self.brand_id,
            profile_id=self.profile_id,
            now=NOW,
            cost=cost,
        )

    def balance(self, kind: str) -> AccountRecord:
        """Read the account of that kind as the admin."""
        return selectors.balance(self.admin, **self.key(kind))

    def figures(self, kind: str) -> tuple[int, int, int]:
        """Return granted, reserved and spent."""
        account = self.balance(kind)
        return account.granted, account.reserved, account.spent


def holders(*, user: int = 10, brand: int = 10, model: int = 10) -> Holders:
    """Make three holders, each with something granted; 0 leaves the account unopened."""
    made = Holders()
    for kind, amount in (("user", user), ("brand", brand), ("model", model)):
        if amount:
            made.grant(kind, amount)
    return made
