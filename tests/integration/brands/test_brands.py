"""Brands are made by an admin, seen by their members, and carry rules that two people agreed on."""

from typing import Any

import pytest
from django.db import connection
from imprimatur.workflow import backtest

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from templates.brands import selectors, services
from templates.brands.errors import AlreadyApproved, BrandExists, NoRules, NoScoringPolicy
from templates.brands.models import Brand, RuleSet, ScoringPolicy
from templates.brands.records import BrandRecord
from tests.factories.review import NOW
from tests.factories.templates import RULES, studio

pytestmark = pytest.mark.django_db
ADMIN = Actor(uuid7(), is_platform_admin=True)
THRESHOLDS = {"safety": {"threshold": 0.8, "severity": "refuse"}}


def create(**changes: Any) -> BrandRecord:
    given = {"slug": "northwind", "name": "Northwind", "palette": ["#1f3a5f"]} | changes
    return services.create_brand(actor=ADMIN, now=NOW, **given)


class TestCreateBrand:
    def test_records_who_made_it(self) -> None:
        brand = create()
        entry = Entry.objects.get(event="brands.brand.created")
        assert (entry.subject_id, entry.brand_id, entry.actor_id) == (brand.id, brand.id, ADMIN.id)

    def test_is_an_act_of_the_platform_admin(self) -> None:
        with pytest.raises(NotPermitted):
            services.create_brand(actor=Actor(uuid7()), slug="x", name="X", palette=[], now=NOW)
        assert not Brand.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"slug": "Not a slug"}, "/slug"),
            ({"slug": "a" * 61}, "/slug"),
            ({"name": " "}, "/name"),
            ({"name": "a\u202eb"}, "/name"),
            ({"palette": ["red"]}, "/palette/0"),
            ({"palette": ["#fff000"] * 25}, "/palette"),
        ],
    )
    def test_names_what_is_malformed_and_leaves_no_row(self, changes: Any, pointer: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            create(**changes)
        assert refused.value.pointer == pointer
        assert (Brand.objects.count(), Entry.objects.count()) == (0, 0)

    def test_refuses_a_slug_that_is_taken(self) -> None:
        create()
        with pytest.raises(BrandExists):
            create(name="Other")


class TestReads:
    def test_show_a_brand_to_its_members_and_to_nobody_else(self) -> None:
        ours, theirs = studio("ours"), studio("theirs")
        assert selectors.list_brands(ours.author) == (ours.brand,)
        assert selectors.get_brand(ours.author, ours.brand.id) == ours.brand
        with pytest.raises(NotFound):
            selectors.get_brand(ours.author, theirs.brand.id)
        assert len(selectors.list_brands(ADMIN)) == len(selectors.list_brands(SYSTEM)) == 2

    def test_find_by_slug(self) -> None:
        brand = create()
        assert selectors.find_brand_by_slug("northwind") == brand
        assert selectors.find_brand_by_slug("other") is None

    def test_of_a_brand_without_rules_or_policy_refuse(self) -> None:
        brand = create()
        with pytest.raises(NoRules):
            selectors.current_rules(brand.id)
        with pytest.raises(NoScoringPolicy):
            selectors.current_scoring_policy(brand.id)


class TestRules:
    def propose(self, at: Any, rules: Any = RULES) -> Any:
        return services.propose_rules(actor=at.author, brand_id=at.brand.id, rules=rules, now=NOW)

    def test_count_only_once_approved_by_another(self) -> None:
        at = studio()
        proposed = self.propose(at, [])
        assert selectors.current_rules(at.brand.id) == at.rules
        with pytest.raises(NotPermitted):
            services.approve_rules(
                actor=at.author, rules_id=proposed.id, sha256=proposed.sha256, now=NOW
            )
        services.approve_rules(
            actor=at.team.other_manager, rules_id=proposed.id, sha256=proposed.sha256, now=NOW
        )
        current = selectors.current_rules(at.brand.id)
        assert (current.number, current.rules) == (2, ())
        assert [each.number for each in selectors.list_rules(at.author, at.brand.id)] == [2, 1]

    def test_are_approved_once_and_never_backwards(self) -> None:
        at = studio()
        older, newer = self.propose(at), self.propose(at, [])
        services.approve_rules(
            actor=at.team.other_manager, rules_id=newer.id, sha256=newer.sha256, now=NOW
        )
        for rules in (older, newer):
            with pytest.raises(AlreadyApproved):
                services.approve_rules(
                    actor=at.team.other_manager, rules_id=rules.id, sha256=rules.sha256, now=NOW
                )
        assert selectors.current_rules(at.brand.id).number == newer.number

    def test_take_records_as_well_as_data(self) -> None:
        at = studio()
        assert self.propose(at, at.rules.rules).sha256 == at.rules.sha256

    def test_that_are_malformed_leave_no_row(self) -> None:
        at = studio()
        before = Entry.objects.count()
        with pytest.raises(InvalidInput) as refused:
            self.propose(at, [{"category": "x", "terms": ["a b"], "reason": "No reason given."}])
        assert refused.value.pointer == "/0/category"
        assert (RuleSet.objects.count(), Entry.objects.count()) == (1, before)

    def test_are_the_brand_s_own_business(self) -> None:
        ours, theirs = studio("ours"), studio("theirs")
        with pytest.raises(NotFound):
            services.propose_rules(actor=ours.author, brand_id=theirs.brand.id, rules=[], now=NOW)
        proposed = self.propose(theirs)
        with pytest.raises(NotFound):
            services.approve_rules(
                actor=ours.author, rules_id=proposed.id, sha256=proposed.sha256, now=NOW
            )
        with pytest.raises(NotPermitted):
            services.propose_rules(
                actor=ours.team.requester, brand_id=ours.brand.id, rules=[], now=NOW
            )

    def test_are_in_the_ledger(self) -> None:
        at = studio()
        events = Entry.objects.filter(subject_id=at.rules.id).values_list("event", flat=True)
        assert sorted(events) == [
            "brands.rules.proposed",
            "review.case.approved",
            "review.case.decided",
            "review.case.opened",
        ]


class TestScoringPolicy:
    def propose(self, at: Any, **changes: Any) -> Any:
        given = {"advisory": True, "thresholds": THRESHOLDS} | changes
        proposed = services.propose_scoring_policy(
            actor=at.author, brand_id=at.brand.id, now=NOW, **given
        )
        backtest.run(actor=at.author, policy_id=proposed.id, now=NOW)
        return proposed

    def test_counts_once_approved_and_stays_readable_afterwards(self) -> None:
        at = studio()
        first = self.propose(at)
        services.approve_scoring_policy(
            actor=at.team.other_manager, policy_id=first.id, sha256=first.sha256, now=NOW
        )
        second = self.propose(at, advisory=False)
        services.approve_scoring_policy(
            actor=at.team.other_manager, policy_id=second.id, sha256=second.sha256, now=NOW
        )
        assert selectors.current_scoring_policy(at.brand.id).id == second.id
        assert selectors.get_scoring_policy(first.id).advisory
        assert first.sha256 != second.sha256
        listed = selectors.list_scoring_policies(at.author, at.brand.id)
        assert [policy.number for policy in listed] == [2, 1]

    def test_is_not_approved_by_its_author(self) -> None:
        at = studio()
        proposed = self.propose(at)
        with pytest.raises(NotPermitted):
            services.approve_scoring_policy(
                actor=at.author, policy_id=proposed.id, sha256=proposed.sha256, now=NOW
            )

    def test_that_cannot_judge_leaves_no_row(self) -> None:
        at = studio()
        with pytest.raises(InvalidInput) as refused:
            self.propose(at, thresholds={"safety": {"threshold": 0.5, "severity": "pass"}})
        assert refused.value.pointer == "/thresholds/safety/severity"
        assert not ScoringPolicy.objects.exists()


def test_lists_take_one_query_for_any_number_of_brands(django_assert_num_queries: Any) -> None:
    for slug in ("one", "two", "three"):
        create(slug=slug)
    with django_assert_num_queries(1, connection=connection):
        assert len(selectors.list_brands(ADMIN)) == 3
