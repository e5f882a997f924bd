"""Requests for more quota: a brand's marketer and managers, and what they ask."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.quota import services
from governance.quota.records import RequestRecord
from tests.factories.quota import NOW, PERIOD, platform_admin


def member(brand_id: UUID, *roles: Role, is_admin: bool = False) -> Actor:
    """Return a person with these roles in the brand."""
    return Actor(uuid7(), roles={brand_id: frozenset(roles)}, is_platform_admin=is_admin)


@dataclass(frozen=True)
class Office:
    """One brand's people who ask and decide."""

    brand_id: UUID = field(default_factory=uuid7)
    marketer: Actor = field(init=False)
    manager: Actor = field(init=False)
    admin: Actor = field(default_factory=platform_admin)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marketer", member(self.brand_id, Role.MARKETER))
        object.__setattr__(self, "manager", member(self.brand_id, Role.BRAND_MANAGER))

    def ask(self, actor: Actor | None = None, **changes: Any) -> RequestRecord:
        """Ask for ten images on the asker's own account, with `changes` to that."""
        asker = actor or self.marketer
        asked: dict[str, Any] = {
            "brand_id": self.brand_id,
            "holder_kind": "user",
            "holder_id": asker.id,
            "period": PERIOD,
            "amount": 10,
            "reason": "The spring campaign.",
            "now": NOW,
        }
        return services.ask_for_more(actor=asker, **asked | changes)

    def grant(self, request: RequestRecord, actor: Actor | None = None, **changes: Any) -> Any:
        """Grant all of it, as the admin unless somebody else is named."""
        facts: dict[str, Any] = {"amount": None, "now": NOW}
        return services.grant_request(
            actor=actor or self.admin, request_id=request.id, **facts | changes
        )

    def decline(self, request: RequestRecord, actor: Actor | None = None) -> RequestRecord:
        """Decline it, as the admin unless somebody else is named."""
        return services.decline_request(
            actor=actor or self.admin, request_id=request.id, answer="Not this month.", now=NOW
        )

    def withdraw(self, request: RequestRecord, actor: Actor | None = None) -> RequestRecord:
        """Take it back, as the marketer unless somebody else is named."""
        return services.withdraw_request(
            actor=actor or self.marketer, request_id=request.id, now=NOW
        )
