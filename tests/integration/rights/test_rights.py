"""Rights: stated by one, confirmed by another where people are shown, usable until they end."""

from datetime import timedelta
from typing import Any

import pytest

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import services as review_services
from governance.rights import selectors, services
from governance.rights.errors import HadAPart, ReasonRequired, RightsLacking
from governance.rights.records import RightsRecord, Statement
from governance.rights.states import Lack
from governance.sealing import services as sealing
from tests import rows
from tests.factories import review
from tests.factories.pictures import NOW, SOON, Studio, statement, with_people

DAY = timedelta(days=1)
NOBODY: frozenset[Any] = frozenset()


class Rights:
    """A registered picture's bytes, and what is said about them."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        team = review.Team(brand_id=studio.brand_id)
        parts = {studio.marketer.id: "uploader"}
        self.subject = review.subject(team, kind="picture", contributors=parts)

    def state(self, said: Statement | None = None, by: Actor | None = None) -> RightsRecord:
        return services.record_rights(
            actor=by or self.studio.marketer,
            subject=self.subject,
            statement=said or statement(),
            now=NOW,
        )

    def confirm(self, record: RightsRecord, by: Actor | None = None) -> RightsRecord:
        return services.confirm_rights(
            actor=by or self.studio.steward,
            record_id=record.id,
            contributors=frozenset({self.studio.marketer.id}),
            now=NOW,
        )

    def withdraw(self, record: RightsRecord, by: Actor | None = None) -> RightsRecord:
        return services.withdraw_rights(
            actor=by or self.studio.steward, record_id=record.id, reason="It ended.", now=NOW
        )

    def lack(self, at: Any = NOW, **other: Any) -> str:
        subject = self.subject
        facts = {"subject_id": subject.id, "sha256": subject.sha256, "brand_id": subject.brand_id}
        try:
            services.require_usable(**facts | other, now=at)
        except RightsLacking as error:
            return str(error.facts["category"])
        return ""

    def use(self, item: SubjectRef, by: Actor | None = None) -> Any:
        return services.record_use(
            actor=by or self.studio.marketer, subject=self.subject, used=item, now=NOW
        )


@pytest.fixture
def rights(studio: Studio) -> Rights:
    return Rights(studio)


class TestStating:
    def test_without_people_holds_at_once(self, rights: Rights) -> None:
        made = rights.state()
        assert (made.state, made.number, made.statement) == ("in_force", 1, statement())
        assert rights.lack() == ""

    def test_with_people_waits(self, rights: Rights) -> None:
        for said in (with_people(), statement(people_shown="minors", consent="Both parents.")):
            assert rights.state(said).state == "waiting"
            assert rights.lack() == Lack.NOT_CONFIRMED

    def test_again_is_a_new_version(self, rights: Rights) -> None:
        first, second = rights.state(), rights.state(statement(owner="The agency"))
        history = selectors.list_records(rights.studio.auditor, rights.subject.id)
        assert [(each.id, each.state) for each in history] == [
            (second.id, "in_force"),
            (first.id, "replaced"),
        ]
        assert selectors.list_records(rights.studio.outsider, rights.subject.id) == ()

    def test_that_people_are_gone_is_for_somebody_else_to_confirm(self, rights: Rights) -> None:
        rights.state(with_people())
        assert rights.state().state == "waiting"

    def test_after_a_withdrawal_is_for_somebody_else_to_confirm(self, rights: Rights) -> None:
        rights.withdraw(rights.state())
        again = rights.state()
        assert (again.state, rights.lack()) == ("waiting", Lack.NOT_CONFIRMED)
        rights.confirm(again)
        assert rights.lack() == ""
        assert rights.state().state == "waiting"

    def test_is_sealed_under_whoever_states_it(self, rights: Rights) -> None:
        made = rights.state(with_people(reference="Contract 4"))
        sealing.destroy_key(
            actor=rights.studio.steward, person_id=rights.studio.marketer.id, now=NOW
        )
        said = selectors.get_record(rights.studio.steward, made.id).statement
        assert (said.owner, said.consent, said.reference, said.evidence) == (None,) * 4
        body = bytes(Entry.objects.get(event="rights.record.stated").body)
        assert b"Northwind Studio" not in body
        assert b"Model release" not in body

    @pytest.mark.parametrize(
        ("changes", "pointer", "rule"),
        [
            ({"owner": ""}, "/owner", "required"),
            ({"owner": "x" * 201}, "/owner", "max_length"),
            ({"basis": "finders_keepers"}, "/basis", "enum"),
            ({"basis": "licence"}, "/reference", "required"),
            ({"basis": "contract", "reference": " "}, "/reference", "required"),
            ({"people_shown": "some"}, "/people_shown", "enum"),
            ({"people_shown": "adults"}, "/consent", "required"),
            ({"people_shown": "minors", "consent": " \n"}, "/consent", "required"),
            ({"biometric_use": True}, "/biometric_use", "refused"),
            ({"evidence": ""}, "/evidence", "required"),
            ({"evidence_sha256": "A" * 64}, "/evidence_sha256", "sha256"),
            ({"expires_at": NOW}, "/expires_at", "expired"),
            ({"valid_from": SOON, "expires_at": SOON}, "/expires_at", "range"),
        ],
    )
    def test_refuses_what_is_lacking_and_writes_nothing(
        self, rights: Rights, changes: dict[str, Any], pointer: str, rule: str
    ) -> None:
        before = rows.counted()
        with pytest.raises(InvalidInput) as error:
            rights.state(statement(**changes))
        assert (error.value.pointer, error.value.facts["rule"]) == (pointer, rule)
        assert rows.added_since(before) == {}

    def test_fits_into_the_ledger_at_its_longest(self, rights: Rights) -> None:
        longest = {name: "語" * most for name, most in services.LONGEST.items()}
        said = Statement(basis="contract", people_shown="adults", **longest)
        assert rights.state(said).state == "waiting"

    def test_is_for_those_who_bring_pictures(self, rights: Rights) -> None:
        for actor in (rights.studio.auditor, rights.studio.outsider):
            with pytest.raises(NotPermitted):
                rights.state(by=actor)


class TestConfirming:
    def test_is_another_stewards_once(self, rights: Rights) -> None:
        waiting = rights.state(with_people())
        confirmed = rights.confirm(waiting)
        assert (confirmed.state, confirmed.confirmed_by) == ("in_force", rights.studio.steward.id)
        assert rights.lack() == ""
        with pytest.raises(IllegalTransition):
            rights.confirm(waiting, by=rights.studio.other_steward)
        found = Entry.objects.filter(subject_id=waiting.id).order_by("id")
        assert list(found.values_list("event", "actor_id")) == [
            ("rights.record.stated", rights.studio.marketer.id),
            ("rights.record.confirmed", rights.studio.steward.id),
        ]

    def test_is_never_the_uploaders(self, rights: Rights) -> None:
        everything = review.person(rights.studio.brand_id, *Role, id=rights.studio.marketer.id)
        with pytest.raises(HadAPart):
            rights.confirm(rights.state(with_people()), by=everything)

    def test_is_nobodys_who_stated_an_earlier_version(self, rights: Rights) -> None:
        rights.state(with_people(), by=rights.studio.steward)
        second = rights.state(with_people())
        with pytest.raises(HadAPart):
            rights.confirm(second)
        assert rights.confirm(second, by=rights.studio.other_steward).state == "in_force"

    def test_takes_the_role_in_the_brand(self, rights: Rights) -> None:
        waiting = rights.state(with_people())
        with pytest.raises(NotPermitted):
            rights.confirm(waiting, by=rights.studio.auditor)
        with pytest.raises(NotFound):
            rights.confirm(waiting, by=rights.studio.outsider)

    def test_of_what_was_replaced_or_withdrawn_is_refused(self, rights: Rights) -> None:
        first = rights.state(with_people())
        second = rights.state(with_people())
        rights.withdraw(second)
        for record in (first, second):
            with pytest.raises(IllegalTransition):
                rights.confirm(record)


class TestWithdrawing:
    def test_ends_every_further_use_and_keeps_those_there_were(self, rights: Rights) -> None:
        record = rights.state()
        item = SubjectRef("job_item", uuid7())
        rights.use(item)
        withdrawn = rights.withdraw(record)
        assert (withdrawn.withdrawn_by, withdrawn.withdraw_reason) == (
            rights.studio.steward.id,
            "It ended.",
        )
        assert rights.lack() == Lack.WITHDRAWN
        with pytest.raises(RightsLacking):
            rights.use(SubjectRef("job_item", uuid7()))
        uses = selectors.list_uses(rights.studio.auditor, rights.subject.id)
        assert [(each.used_id, each.record_id) for each in uses] == [(item.id, record.id)]
        with pytest.raises(IllegalTransition):
            rights.withdraw(record)

    def test_is_also_for_whoever_stated_them_but_for_no_other_marketer(
        self, rights: Rights
    ) -> None:
        record = rights.state(with_people())
        with pytest.raises(NotPermitted):
            rights.withdraw(record, by=review.person(rights.studio.brand_id, Role.MARKETER))
        assert rights.withdraw(record, by=rights.studio.marketer).state == "withdrawn"

    @pytest.mark.parametrize(
        ("reason", "error"), [(" ", ReasonRequired), ("x" * 1001, InvalidInput)]
    )
    def test_says_why(self, rights: Rights, reason: str, error: type[Exception]) -> None:
        record = rights.state()
        with pytest.raises(error):
            services.withdraw_rights(
                actor=rights.studio.steward, record_id=record.id, reason=reason, now=NOW
            )


class TestUsing:
    def test_needs_rights_in_exactly_these_bytes_and_this_brand(self, rights: Rights) -> None:
        assert rights.lack() == Lack.MISSING
        rights.state()
        assert rights.lack() == ""
        assert rights.lack(sha256="0" * 64) == Lack.MISSING
        assert rights.lack(brand_id=uuid7()) == Lack.MISSING

    def test_ends_at_the_moment_that_is_named(self, rights: Rights) -> None:
        rights.state(statement(valid_from=NOW - DAY, expires_at=SOON))
        assert rights.lack(NOW - DAY - DAY) == Lack.NOT_YET
        assert [rights.lack(SOON - DAY), rights.lack(SOON)] == ["", Lack.EXPIRED]

    def test_is_recorded_once_for_those_who_order(self, rights: Rights) -> None:
        rights.state()
        item = SubjectRef("job_item", uuid7())
        made = rights.use(item)
        assert rights.use(item) == made
        assert Entry.objects.filter(event="rights.use.recorded", subject_id=item.id).count() == 1
        with pytest.raises(NotPermitted):
            rights.use(item, by=rights.studio.auditor)
        assert selectors.list_uses(rights.studio.outsider, rights.subject.id) == []

    def test_stands_in_words_with_its_ends(self, rights: Rights) -> None:
        record = rights.state(statement(valid_from=NOW, expires_at=NOW + 60 * DAY))
        moments = (NOW - DAY, NOW, NOW + 30 * DAY, NOW + 60 * DAY)
        words = [record.standing(at) for at in moments]
        assert words == ["not_yet", "in_force", "expiring", "expired"]


def test_a_part_in_the_picture_is_the_reviews_word(rights: Rights) -> None:
    """The database asks the contributions itself: what a caller leaves out changes nothing."""
    from django.db import IntegrityError

    waiting = rights.state(with_people())
    review_services.add_contribution(
        subject_id=rights.subject.id, actor_id=rights.studio.steward.id, part="uploader", now=NOW
    )
    with pytest.raises(IntegrityError, match="no part"):
        rights.confirm(waiting)
