"""Groups of people that stages ask."""

from uuid import UUID

import pytest

from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.records import GroupRecord
from tests.factories import review as make


@pytest.fixture
def team(db: None) -> make.Team:
    return make.Team()


def _create(team: make.Team, name: str = "Legal") -> GroupRecord:
    return services.create_group(
        actor=team.manager, brand_id=team.brand_id, name=name, now=make.NOW
    )


def _add(team: make.Team, group: GroupRecord, person_id: UUID) -> GroupRecord:
    return services.add_member(
        actor=team.manager, group_id=group.id, person_id=person_id, now=make.NOW
    )


def _remove(team: make.Team, group: GroupRecord, person_id: UUID) -> GroupRecord:
    return services.remove_member(
        actor=team.manager, group_id=group.id, person_id=person_id, now=make.NOW
    )


class TestCreateGroup:
    def test_makes_an_empty_one(self, team: make.Team) -> None:
        group = _create(team)
        assert (group.name, group.members) == ("Legal", frozenset())
        assert selectors.get_group(team.auditor, group.id) == group
        assert selectors.list_groups(team.auditor, team.brand_id) == (group,)

    def test_takes_a_name_once_in_a_brand(self, team: make.Team) -> None:
        _create(team)
        with pytest.raises(services.GroupExists):
            _create(team)
        _create(make.Team())

    def test_needs_a_name(self, team: make.Team) -> None:
        with pytest.raises(InvalidInput):
            _create(team, " ")

    def test_is_the_managers_act(self, team: make.Team) -> None:
        for actor in (team.brand_reviewer, team.requester):
            with pytest.raises(NotPermitted):
                services.create_group(
                    actor=actor, brand_id=team.brand_id, name="Legal", now=make.NOW
                )
        with pytest.raises(NotFound):
            services.create_group(
                actor=make.Team().manager, brand_id=team.brand_id, name="Legal", now=make.NOW
            )


class TestMembers:
    def test_come_and_go(self, team: make.Team) -> None:
        group, person = _create(team), team.auditor.id
        assert _add(team, group, person).members == {person}
        assert selectors.group_members(group.id) == {person}
        assert selectors.groups_of(person) == {group.id}
        assert _remove(team, group, person).members == frozenset()
        assert selectors.groups_of(person) == frozenset()
        assert _add(team, group, person).members == {person}

    def test_stand_in_the_ledger(self, team: make.Team) -> None:
        group = _create(team)
        _add(team, group, team.auditor.id)
        _remove(team, group, team.auditor.id)
        events = Entry.objects.filter(subject_id=group.id).order_by("id")
        assert list(events.values_list("event", flat=True)) == [
            "review.group.created",
            "review.group.member_added",
            "review.group.member_removed",
        ]

    def test_never_add_themselves(self, team: make.Team) -> None:
        with pytest.raises(NotPermitted):
            _add(team, _create(team), team.manager.id)

    def test_are_in_once(self, team: make.Team) -> None:
        group = _create(team)
        _add(team, group, team.auditor.id)
        with pytest.raises(services.AlreadyMember):
            _add(team, group, team.auditor.id)

    def test_who_are_not_in_cannot_be_taken_out(self, team: make.Team) -> None:
        with pytest.raises(NotFound):
            _remove(team, _create(team), team.auditor.id)

    def test_belong_to_the_brand(self, team: make.Team) -> None:
        with pytest.raises(InvalidInput) as refusal:
            services.add_member(
                actor=team.manager,
                group_id=_create(team).id,
                person_id=uuid7(),
                roster={Role.AUDITOR: frozenset({team.auditor.id})},
                now=make.NOW,
            )
        assert refusal.value.facts["rule"] == "not_member"

    def test_are_hidden_from_other_brands(self, team: make.Team) -> None:
        group, stranger = _create(team), make.Team()
        with pytest.raises(NotFound):
            _add(stranger, group, team.auditor.id)
        with pytest.raises(NotFound):
            selectors.get_group(stranger.manager, group.id)
        assert selectors.list_groups(stranger.manager, team.brand_id) == ()
        assert selectors.members_of([group.id], stranger.brand_id) == {}
