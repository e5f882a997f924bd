"""Makes groups of people for stages to ask, and changes who is in them; nobody adds themselves."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors
from governance.review.models import Group, GroupMember
from governance.review.records import GroupRecord
from governance.review.services import _specs
from governance.tables.records import wait_for_others


class GroupExists(DomainError):
    """The brand has a group of this name."""

    code = "group_exists"
    status = 409


class AlreadyMember(DomainError):
    """The person is in the group already."""

    code = "already_member"
    status = 409


def create_group(*, actor: Actor, brand_id: UUID, name: str, now: datetime) -> GroupRecord:
    """Make an empty group of a brand's people. Raises: NotFound, NotPermitted, GroupExists."""
    if not selectors.may_see_brand(actor, brand_id):
        raise NotFound(_("There is no such brand."))
    permits.require(actor, Permission.REVIEW_GROUP_CHANGE, Context(brand_id=brand_id))
    _specs.check_name(name)
    with transaction.atomic():
        wait_for_others(f"{brand_id} groups")
        if Group.objects.filter(brand_id=brand_id, name=name).exists():
            raise GroupExists(_("The brand has a group of this name already."), pointer="/name")
        group = Group.objects.create(
            brand_id=brand_id, name=name, created_by=actor.id, created_at=now
        )
        _append(actor, Event.REVIEW_GROUP_CREATED, group, now)
    return selectors.group_record(group)


def add_member(
    *,
    actor: Actor,
    group_id: UUID,
    person_id: UUID,
    roster: Mapping[Role, frozenset[UUID]] | None = None,
    now: datetime,
) -> GroupRecord:
    """Put somebody else into a group.

    `roster` says who holds which role in the brand; with it, only those can be added.
    Raises: NotFound, NotPermitted for oneself, InvalidInput, AlreadyMember.
    """
    with transaction.atomic():
        group = _lock(actor, group_id, frozenset({person_id}))
        if roster is not None and person_id not in frozenset[UUID]().union(*roster.values()):
            raise InvalidInput(
                _("Only members of the brand can be in its groups."),
                pointer="/person_id",
                rule="not_member",
            )
        if person_id in selectors.group_members(group_id):
            raise AlreadyMember(_("This person is in the group already."), pointer="/person_id")
        GroupMember.objects.create(
            group=group, person_id=person_id, added_by=actor.id, created_at=now
        )
        _append(actor, Event.REVIEW_GROUP_MEMBER_ADDED, group, now, person_id)
    return selectors.get_group(actor, group_id)


def remove_member(*, actor: Actor, group_id: UUID, person_id: UUID, now: datetime) -> GroupRecord:
    """Take somebody out of a group; cases that are open ask them no more.

    Raises: NotFound, NotPermitted.
    """
    with transaction.atomic():
        group = _lock(actor, group_id, frozenset())
        gone = GroupMember.objects.filter(
            group=group, person_id=person_id, removed_at__isnull=True
        ).update(removed_at=now, removed_by=actor.id)
        if gone != 1:
            raise NotFound(_("This person is not in the group."))
        _append(actor, Event.REVIEW_GROUP_MEMBER_REMOVED, group, now, person_id)
    return selectors.get_group(actor, group_id)


def _lock(actor: Actor, group_id: UUID, contributors: frozenset[UUID]) -> Group:
    """Return the group for changing; changes of one group come one after the other."""
    wait_for_others(str(group_id))
    group = Group.objects.filter(id=group_id).first()
    if group is None or not selectors.may_see_brand(actor, group.brand_id):
        raise NotFound(_("There is no such group."))
    permits.require(
        actor,
        Permission.REVIEW_GROUP_CHANGE,
        Context(brand_id=group.brand_id, contributors=contributors),
    )
    return group


def _append(
    actor: Actor, event: Event, group: Group, now: datetime, person_id: UUID | None = None
) -> None:
    person = {} if person_id is None else {"person_id": str(person_id)}
    ledger.append(
        actor=actor,
        event=event,
        subject=SubjectRef("review_group", group.id, group.brand_id),
        now=now,
        facts={"name": group.name, **person},
    )
