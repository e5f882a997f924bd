"""Answers from the table: may this actor, in which brands, and which clause granted it."""

from uuid import UUID

from governance.kernel.actors import Actor, ActorKind
from governance.kernel.errors import DomainError
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.policy.table import TABLE, Clause


class NotPermitted(DomainError):
    """The actor may see the thing, but may not do this to it."""

    code = "not_permitted"
    status = 403


def granting_clause(actor: Actor, permission: Permission, context: Context) -> Clause | None:
    """Return the clause that grants (why), or None. A key grants only what its scopes name."""
    if not _is_in_scope(actor, permission):
        return None
    for clause in TABLE[permission]:
        if clause and all(predicate(actor, context) for predicate in clause):
            return clause
    return None


def may(actor: Actor, permission: Permission, context: Context) -> bool:
    """Tell whether the actor may (may)."""
    return granting_clause(actor, permission, context) is not None


def failing(actor: Actor, permission: Permission, context: Context) -> tuple[str, ...]:
    """Return why not: the predicates that fail in the clause that comes nearest; () if granted.

    A key that lacks the scope fails as if it were asked for a person.
    """
    if granting_clause(actor, permission, context) is not None:
        return ()
    return min(
        (
            tuple(each.__name__ for each in clause if not each(actor, context)) or ("is_person",)
            for clause in TABLE[permission]
        ),
        key=len,
    )


def require(actor: Actor, permission: Permission, context: Context) -> None:
    """Let pass, or raise NotPermitted (403)."""
    if not may(actor, permission, context):
        raise NotPermitted(
            f"You may not do this: it needs the permission {permission.value}.",
            permission=permission.value,
        )


def may_everywhere(actor: Actor, permission: Permission) -> bool:
    """Tell whether the actor may in every brand: a clause grants without asking for one."""
    return may(actor, permission, Context())


def brands_where(actor: Actor, permission: Permission) -> frozenset[UUID]:
    """Return the brands, among the actor's own, in which the actor may (which rows).

    Clauses about ownership are left out: a selector adds `brands_where_own` for rows whose owner
    is the actor, and asks `may_everywhere` for those who need no brand.
    """
    return frozenset(
        brand_id for brand_id in actor.roles if may(actor, permission, Context(brand_id=brand_id))
    )


def brands_where_own(actor: Actor, permission: Permission) -> frozenset[UUID]:
    """Return the brands, among the actor's own, in which the actor may with what is theirs."""
    return frozenset(
        brand_id
        for brand_id in actor.roles
        if may(actor, permission, Context(brand_id=brand_id, owner_id=actor.id))
    )


def _is_in_scope(actor: Actor, permission: Permission) -> bool:
    """Tell whether the actor's key reaches so far; an integration without scopes has none."""
    if actor.scopes is None:
        return actor.kind is not ActorKind.INTEGRATION
    return permission.value in actor.scopes
