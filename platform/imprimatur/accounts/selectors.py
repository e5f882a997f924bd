"""Reads about people, roles and keys; names are revealed here and nowhere else."""

from collections.abc import Iterable
from types import MappingProxyType
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.errors import NotFound
from governance.kernel.roles import Role
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.sealing import services as sealing
from imprimatur.accounts.models import ApiKey, Membership, User
from imprimatur.accounts.records import KeyRecord, MembershipRecord, UserRecord

NAME_PURPOSE = "accounts.user.name"
EMAIL_PURPOSE = "accounts.user.email"


def actor_for(user: User) -> Actor:
    """Return the person as an Actor, with the roles held at this moment."""
    return Actor(id=user.id, roles=_roles(user), is_platform_admin=user.is_platform_admin)


def actor_for_key(key: ApiKey) -> Actor:
    """Return a key as an Actor: its maker's rights of this moment, within its scopes and brand."""
    roles = _roles(key.user)
    if key.brand_id is not None:
        held = roles.get(key.brand_id)
        roles = MappingProxyType({key.brand_id: held} if held else {})
    return Actor(
        id=key.user_id,
        kind=ActorKind.INTEGRATION,
        roles=roles,
        is_platform_admin=key.user.is_platform_admin and key.brand_id is None,
        scopes=frozenset(key.scopes),
        key_id=key.id,
    )


def get_actor_by_username(username: str) -> Actor:
    """Return the active person of that user name as an Actor, for commands that act as somebody.

    Raises: NotFound.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise NotFound(_("There is no active person of that user name."))
    return actor_for(user)


def display_name(user_id: UUID) -> str:
    """Return how a person is called on a screen."""
    return display_names([user_id])[user_id]


def display_names(user_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return a name for every id, in words where the person is erased, unknown or the system."""
    wanted = set(user_ids)
    found = dict(User.objects.filter(pk__in=wanted).values_list("pk", "name"))
    names = dict.fromkeys(wanted, _("Unknown person"))
    names |= dict(zip(found, _revealed(found.values()), strict=True))
    if SYSTEM.id in wanted:
        names[SYSTEM.id] = _("Imprimatur")
    return names


def get_user(actor: Actor, user_id: UUID) -> UserRecord:
    """Return one person. Raises: NotFound, also for whoever may not see them."""
    user = User.objects.filter(pk=user_id).first()
    context = Context(owner_id=user_id)
    if user is None or not permits.may(actor, Permission.ACCOUNTS_USER_READ, context):
        raise NotFound(_("There is no such person."))
    return user_record(user)


def list_users(actor: Actor, *, after: UUID | None = None, limit: int = 50) -> list[UserRecord]:
    """Return the people that the actor may see, by id: all for a platform admin, else oneself."""
    users = User.objects.order_by("pk")
    if not permits.may(actor, Permission.ACCOUNTS_USER_READ, Context()):
        may = permits.may(actor, Permission.ACCOUNTS_USER_READ, Context(owner_id=actor.id))
        users = users.filter(pk=actor.id) if may else users.none()
    if after is not None:
        users = users.filter(pk__gt=after)
    return _user_records(list(users[:limit]))


def list_memberships(actor: Actor, *, user_id: UUID) -> list[MembershipRecord]:
    """Return the roles that a person holds now, by id; empty for whoever may not see the person."""
    if not permits.may(actor, Permission.ACCOUNTS_USER_READ, Context(owner_id=user_id)):
        return []
    held = Membership.objects.filter(user_id=user_id, revoked_at__isnull=True).order_by("pk")
    return [membership_record(membership) for membership in held]


def people_by_role(brand_id: UUID) -> dict[Role, frozenset[UUID]]:
    """Return who holds which role in the brand now, active people only; for our own processes."""
    held: dict[Role, set[UUID]] = {}
    rows = Membership.objects.filter(
        brand_id=brand_id, revoked_at__isnull=True, user__is_active=True
    )
    for person, role in rows.values_list("user_id", "role"):
        held.setdefault(Role(role), set()).add(person)
    return {role: frozenset(people) for role, people in held.items()}


def platform_admins() -> frozenset[UUID]:
    """Return the active platform admins; for our own processes."""
    admins = User.objects.filter(is_platform_admin=True, is_active=True)
    return frozenset(admins.values_list("pk", flat=True))


def list_keys(actor: Actor, *, after: UUID | None = None, limit: int = 50) -> list[KeyRecord]:
    """Return the actor's keys by id, revoked ones too; a platform admin sees everybody's.

    Raises: NotPermitted for a key: only a person looks after keys.
    """
    permits.require(actor, Permission.ACCOUNTS_KEY_CREATE, Context(owner_id=actor.id))
    keys = ApiKey.objects.order_by("pk")
    if not permits.may(actor, Permission.ACCOUNTS_KEY_REVOKE, Context()):
        keys = keys.filter(user_id=actor.id)
    if after is not None:
        keys = keys.filter(pk__gt=after)
    return [key_record(key) for key in keys[:limit]]


def user_record(user: User) -> UserRecord:
    """Return the frozen facts of a row, the name revealed."""
    return _user_records([user])[0]


def membership_record(membership: Membership) -> MembershipRecord:
    """Return the frozen facts of a row."""
    return MembershipRecord(
        id=membership.id,
        user_id=membership.user_id,
        brand_id=membership.brand_id,
        role=Role(membership.role),
        granted_by=membership.granted_by,
        created_at=membership.created_at,
        revoked_at=membership.revoked_at,
    )


def key_record(key: ApiKey) -> KeyRecord:
    """Return the frozen facts of a row."""
    return KeyRecord(
        id=key.id,
        user_id=key.user_id,
        name=key.name,
        prefix=key.prefix,
        scopes=tuple(key.scopes),
        brand_id=key.brand_id,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )


def _user_records(users: list[User]) -> list[UserRecord]:
    names = _revealed(user.name for user in users)
    return [
        UserRecord(
            id=user.id,
            username=user.username,
            name=name,
            is_active=user.is_active,
            is_platform_admin=user.is_platform_admin,
            created_at=user.created_at,
        )
        for user, name in zip(users, names, strict=True)
    ]


def _revealed(sealed: Iterable[bytes | memoryview]) -> list[str]:
    """Open names in their order, with one query for all their keys."""
    names = sealing.reveal_all(sealed=[bytes(each) for each in sealed], purpose=NAME_PURPOSE)
    return [_("Erased person") if name is None else name for name in names]


def _roles(user: User) -> MappingProxyType[UUID, frozenset[Role]]:
    held: dict[UUID, set[Role]] = {}
    rows = Membership.objects.filter(user=user, revoked_at__isnull=True)
    for brand_id, role in rows.values_list("brand_id", "role"):
        held.setdefault(brand_id, set()).add(Role(role))
    return MappingProxyType({brand_id: frozenset(roles) for brand_id, roles in held.items()})
