"""What accounts hand out: frozen facts about people, roles and keys, without any secret."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.kernel.roles import Role


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One person, with the name in clear for whoever may see it."""

    id: UUID
    username: str
    name: str
    is_active: bool
    is_platform_admin: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MembershipRecord:
    """One role in one brand; `brand_id` is None for the platform admin's, which needs none."""

    id: UUID
    user_id: UUID
    brand_id: UUID | None
    role: Role
    granted_by: UUID
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as it is shown after its making: everything but the secret."""

    id: UUID
    user_id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    brand_id: UUID | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
