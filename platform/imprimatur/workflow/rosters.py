"""Who holds which role in a brand, for domains that know no accounts: mentions, alarms."""

from collections.abc import Mapping
from uuid import UUID

from governance.kernel.roles import Role
from imprimatur.accounts import selectors as accounts


def roster_of(brand_id: UUID) -> Mapping[Role, frozenset[UUID]]:
    """Return the brand's people by role, with the platform admins, who hold theirs everywhere."""
    return {
        **accounts.people_by_role(brand_id),
        Role.PLATFORM_ADMIN: accounts.platform_admins(),
    }
