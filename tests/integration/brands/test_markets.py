"""A brand's markets are set by an admin; its scoring policy may say otherwise for each of them."""

import json
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from imprimatur.workflow import backtest, contents

from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors as reviews
from templates.brands import selectors, services
from templates.brands.markets import Market
from templates.brands.models import ScoringPolicy
from tests.factories.review import NOW
from tests.factories.templates import Studio, studio

pytestmark = pytest.mark.django_db
ADMIN = Actor(uuid7(), is_platform_admin=True)
GERMANY, SWITZERLAND = Market("DE", ("de",)), Market("CH", ("de-CH", "fr", "it"))
THRESHOLDS = {"safety": {"threshold": 0.8, "severity": "refuse"}}
STRICT = {"thresholds": {"safety": {"threshold": 0.2, "severity": "refuse"}}}


def give(at: Studio, *markets: Market) -> None:
    services.set_markets(actor=ADMIN, brand_id=at.brand.id, markets=markets, now=NOW)


class TestMarkets:
    def test_are_set_by_an_admin_and_recorded_with_what_was_before(self) -> None:
        at = studio()
        give(at, GERMANY)
        give(at, SWITZERLAND, GERMANY)
        brand = selectors.get_brand(at.author, at.brand.id)
        assert brand.markets == (SWITZERLAND, GERMANY)
        entry = Entry.objects.filter(event="brands.brand.markets_set").latest("id")
        assert entry.actor_id == ADMIN.id
        facts = json.loads(bytes(entry.body))["facts"]
        assert [each["code"] for each in facts["before"]] == ["DE"]
        assert [each["code"] for each in facts["after"]] == ["CH", "DE"]

    def test_are_set_by_nobody_else(self) -> None:
        at = studio()
        for actor, error in ((at.author, NotPermitted), (Actor(uuid7()), NotFound)):
            with pytest.raises(error):
                services.set_markets(actor=actor, brand_id=at.brand.id, markets=[GERMANY], now=NOW)
        assert selectors.get_brand(at.author, at.brand.id).markets == ()

    @pytest.mark.parametrize(
        ("markets", "pointer", "rule"),
        [
            ([Market("XX", ("de",))], "/markets/0/code", "country"),
            ([Market("de", ("de",))], "/markets/0/code", "country"),
            ([GERMANY, GERMANY], "/markets/1/code", "uniqueItems"),
            ([Market("DE", ())], "/markets/0/languages", "minItems"),
            ([Market("DE", ("German",))], "/markets/0/languages/0", "language"),
        ],
    )
    def test_that_are_malformed_are_refused_by_place(
        self, markets: Any, pointer: str, rule: str
    ) -> None:
        at = studio()
        with pytest.raises(InvalidInput) as refused:
            give(at, *markets)
        assert (refused.value.pointer, refused.value.facts["rule"]) == (pointer, rule)
        assert selectors.get_brand(at.author, at.brand.id).markets == ()

    def test_can_be_given_to_a_brand_from_the_start(self) -> None:
        brand = services.create_brand(
            actor=ADMIN, slug="new", name="New", palette=[], markets=[GERMANY], now=NOW
        )
        assert brand.markets == (GERMANY,)
        assert brand.market("DE") == GERMANY
        assert brand.market("FR") is None


class TestAPolicyWithSections:
    def propose(self, at: Studio, **sections: Any) -> Any:
        proposed = services.propose_scoring_policy(
            actor=at.author,
            brand_id=at.brand.id,
            advisory=False,
            thresholds=THRESHOLDS,
            now=NOW,
            **sections,
        )
        backtest.run(actor=at.author, policy_id=proposed.id, now=NOW)
        return proposed

    def test_is_one_document_with_one_digest_and_one_approval(self) -> None:
        at = studio()
        give(at, GERMANY)
        concepts = [{"name": "hazard sign", "prompts": ["a hazard sign"]}]
        proposed = self.propose(at, markets={"DE": STRICT}, concepts=concepts)
        approved = services.approve_scoring_policy(
            actor=at.team.other_manager, policy_id=proposed.id, sha256=proposed.sha256, now=NOW
        )
        assert approved.document == {
            "advisory": False,
            "thresholds": THRESHOLDS,
            "markets": {"DE": STRICT},
            "concepts": concepts,
        }
        case = reviews.find_case_for_subject(proposed.id)
        assert case is not None
        shown = contents.show(actor=at.author, case=case, now=NOW)
        assert sha256_hex(shown.data) == approved.sha256

    def test_that_differ_in_a_section_differ_in_their_digest(self) -> None:
        at = studio()
        give(at, GERMANY)
        digests = {
            self.propose(at).sha256,
            self.propose(at, markets={"DE": STRICT}).sha256,
            self.propose(at, templates={"hero-shot": STRICT}).sha256,
        }
        assert len(digests) == 3

    def test_for_a_market_that_the_brand_lacks_is_refused(self) -> None:
        at = studio()
        with pytest.raises(InvalidInput) as refused:
            self.propose(at, markets={"DE": STRICT})
        assert (refused.value.pointer, refused.value.facts["rule"]) == ("/markets/DE", "market")
        assert not ScoringPolicy.objects.exists()

    def test_cannot_be_changed_in_the_database(self) -> None:
        at = studio()
        proposed = self.propose(at, templates={"hero-shot": STRICT})
        with pytest.raises(IntegrityError), transaction.atomic():
            ScoringPolicy.objects.filter(pk=proposed.id).update(sections=None)
        # The control: what is not guarded can be written.
        assert ScoringPolicy.objects.filter(pk=proposed.id).update(number=proposed.number) == 1
