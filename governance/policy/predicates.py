"""One-line questions about an actor and what is acted on; pure, total, and never about rows."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from governance.kernel.actors import Actor, ActorKind
from governance.kernel.roles import Role


@dataclass(frozen=True, slots=True)
class Context:
    """What a predicate may know of the thing: its brand, who had a part in it, and whose it is.

    `asked_roles` and `asked_people` are whom a review asks: holders of these roles in the brand,
    and these people by name or through a group.
    """

    brand_id: UUID | None = None
    contributors: frozenset[UUID] = frozenset()
    owner_id: UUID | None = None
    asked_roles: frozenset[Role] = frozenset()
    asked_people: frozenset[UUID] = frozenset()


Predicate = Callable[[Actor, Context], bool]


def is_person(actor: Actor, context: Context) -> bool:
    """Tell whether a person acts, signed in themselves."""
    return actor.kind is ActorKind.PERSON


def is_system(actor: Actor, context: Context) -> bool:
    """Tell whether one of our own processes acts."""
    return actor.kind is ActorKind.SYSTEM


def is_platform_admin(actor: Actor, context: Context) -> bool:
    """Tell whether the actor administers the platform."""
    return actor.is_platform_admin


def is_member(actor: Actor, context: Context) -> bool:
    """Tell whether the actor holds any role in the brand."""
    return context.brand_id is not None and bool(actor.roles.get(context.brand_id))


def is_owner(actor: Actor, context: Context) -> bool:
    """Tell whether the thing is the actor's own."""
    return context.owner_id is not None and context.owner_id == actor.id


def is_somebodys(actor: Actor, context: Context) -> bool:
    """Tell whether the thing belongs to a person: not to a brand, and not to the installation."""
    return context.owner_id is not None


def is_not_contributor(actor: Actor, context: Context) -> bool:
    """Tell whether the actor had no part in the thing: the second pair of eyes."""
    return actor.id not in context.contributors


def is_asked(actor: Actor, context: Context) -> bool:
    """Tell whether the review asks the actor: by name, through a group, or by a role they hold."""
    return actor.id in context.asked_people or any(
        actor.holds(role, context.brand_id) for role in context.asked_roles
    )


def is_auditor(actor: Actor, context: Context) -> bool:
    """Tell whether the actor audits the brand."""
    return actor.holds(Role.AUDITOR, context.brand_id)


def is_brand_manager(actor: Actor, context: Context) -> bool:
    """Tell whether the actor manages the brand."""
    return actor.holds(Role.BRAND_MANAGER, context.brand_id)


def is_compliance_reviewer(actor: Actor, context: Context) -> bool:
    """Tell whether the actor decides the brand's compliance stage."""
    return actor.holds(Role.COMPLIANCE_REVIEWER, context.brand_id)


def is_data_steward(actor: Actor, context: Context) -> bool:
    """Tell whether the actor answers for the brand's data: rights, retention, erasure."""
    return actor.holds(Role.DATA_STEWARD, context.brand_id)


def is_marketer(actor: Actor, context: Context) -> bool:
    """Tell whether the actor orders images for the brand."""
    return actor.holds(Role.MARKETER, context.brand_id)


def is_reviewer(actor: Actor, context: Context) -> bool:
    """Tell whether the actor decides any stage of the brand's reviews."""
    return any(
        actor.holds(role, context.brand_id)
        for role in (Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER, Role.BRAND_MANAGER)
    )
