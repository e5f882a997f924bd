"""Who acts: an Actor is a frozen fact about a request, never a database row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from governance.kernel.roles import Role


class ActorKind(StrEnum):
    """A person with a session, a service account with a key, or one of our own processes."""

    PERSON = "person"
    INTEGRATION = "integration"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """One who acts, with the roles held per brand and, for a key, the scopes it is limited to.

    An integration acts as the person who made its key (`id`), so four eyes see through it;
    `scopes` then narrows what that person may do and `key_id` says which key it was.
    `authenticated_at` is when a person last gave their password; a key and a process never do.
    """

    id: UUID
    kind: ActorKind = ActorKind.PERSON
    roles: Mapping[UUID, frozenset[Role]] = field(default_factory=lambda: MappingProxyType({}))
    is_platform_admin: bool = False
    scopes: frozenset[str] | None = None
    key_id: UUID | None = None
    authenticated_at: datetime | None = None

    def holds(self, role: Role, brand_id: UUID | None) -> bool:
        """Tell whether this actor holds `role` for that brand."""
        if role is Role.PLATFORM_ADMIN:
            return self.is_platform_admin
        return brand_id is not None and role in self.roles.get(brand_id, frozenset())

    def brands(self, *roles: Role) -> frozenset[UUID]:
        """Return the brands in which any of `roles` (or, with none named, any role) is held."""
        wanted = frozenset(roles)
        return frozenset(
            brand_id for brand_id, held in self.roles.items() if (held & wanted if wanted else held)
        )


SYSTEM = Actor(id=UUID("00000000-0000-7000-8000-000000000000"), kind=ActorKind.SYSTEM)
