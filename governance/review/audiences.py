"""The names of whom a seat asks, as text in one index: a role, a group or one person."""

from uuid import UUID

from governance.kernel.roles import Role

_ROLE, _GROUP, _PERSON = "role", "group", "person"


def of_role(role: str) -> str:
    """Name the holders of a role in the brand.

    >>> of_role("brand_reviewer")
    'role:brand_reviewer'
    """
    return f"{_ROLE}:{role}"


def of_group(group_id: UUID) -> str:
    """Name the members of a group."""
    return f"{_GROUP}:{group_id}"


def of_person(person_id: UUID) -> str:
    """Name one person."""
    return f"{_PERSON}:{person_id}"


def role_in(audience: str) -> Role | None:
    """Return the role that an audience names, or None."""
    kind, _, name = audience.partition(":")
    return Role(name) if kind == _ROLE else None


def group_in(audience: str) -> UUID | None:
    """Return the group that an audience names, or None."""
    kind, _, name = audience.partition(":")
    return UUID(name) if kind == _GROUP else None


def person_in(audience: str) -> UUID | None:
    """Return the person that an audience names, or None."""
    kind, _, name = audience.partition(":")
    return UUID(name) if kind == _PERSON else None
