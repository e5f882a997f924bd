"""Whom a review asks: by role, by name or through a group; and by which names a person is asked."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import audiences
from governance.review.models import STAGE_ROLES, Case, GroupMember, Seat
from governance.review.selectors._shared import contributors


def audiences_of(actor: Actor) -> dict[UUID, tuple[str, ...]]:
    """Return by brand the audiences that the actor belongs to; none for whoever cannot decide."""
    named = _groups_of(actor.id)
    return {
        brand_id: (
            *(audiences.of_role(role) for role in STAGE_ROLES if actor.holds(role, brand_id)),
            *named[brand_id],
            audiences.of_person(actor.id),
        )
        for brand_id in sorted(actor.roles)
        if permits.may(
            actor,
            Permission.REVIEW_CASE_DECIDE,
            Context(brand_id=brand_id, asked_people=frozenset({actor.id})),
        )
    }


def asked_in(brand_id: UUID, parts: frozenset[UUID], asked: Iterable[str]) -> Context:
    """Return what the permission to decide is asked with, where these audiences are asked."""
    asked = list(asked)
    return Context(
        brand_id=brand_id,
        contributors=parts,
        asked_roles=frozenset(role for role in map(audiences.role_in, asked) if role is not None),
        asked_people=people_in(asked),
    )


def asked_now(case: Case) -> Context:
    """Return what the permission to decide a case is asked with, at this moment."""
    asked = Seat.objects.filter(
        turn__case_id=case.id, turn__closed_at__isnull=True, closed_at__isnull=True
    ).values_list("audience", flat=True)
    return asked_in(case.brand_id, contributors_of(case), asked)


def people_in(asked: Iterable[str]) -> frozenset[UUID]:
    """Return whom these audiences name: in person, or as members of their groups."""
    asked = list(asked)
    people = {person for person in map(audiences.person_in, asked) if person is not None}
    groups = [group for group in map(audiences.group_in, asked) if group is not None]
    if groups:
        members = GroupMember.objects.filter(group_id__in=groups, removed_at__isnull=True)
        people |= set(members.values_list("person_id", flat=True))
    return frozenset(people)


def contributors_of(case: Case) -> frozenset[UUID]:
    """Return everybody who had a part in what a case is about, the requester among them."""
    return contributors(case.subject_id) | {case.requested_by}


def _groups_of(person_id: UUID) -> defaultdict[UUID, list[str]]:
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    members = GroupMember.objects.filter(person_id=person_id, removed_at__isnull=True)
    for group_id, brand_id in members.values_list("group_id", "group__brand_id"):
        found[brand_id].append(audiences.of_group(group_id))
    return found
