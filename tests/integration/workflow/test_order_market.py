"""An order is for one of its brand's markets, and the rules of that market hold for it."""

import json
from typing import Any

import pytest
from imprimatur.workflow import order, pace

from generation.jobs import selectors as jobs
from governance.kernel.errors import InvalidInput
from governance.ledger.models import Entry
from templates.brands import services as brands
from templates.brands.markets import Market
from tests import rows
from tests.factories.jobs import claimed
from tests.factories.orders import Desk
from tests.factories.quota import platform_admin
from tests.factories.review import NOW

MARKETS = (Market("DE", ("de",)), Market("FR", ("fr",)))
REASON = "Weapons are not advertised in this market."


def give(desk: Desk, *markets: Market) -> None:
    brands.set_markets(actor=platform_admin(), brand_id=desk.brand_id, markets=markets, now=NOW)


def rule(desk: Desk, **limits: Any) -> None:
    """Put rules in force that hold only within `limits`."""
    proposed = brands.propose_rules(
        actor=desk.studio.team.manager,
        brand_id=desk.brand_id,
        rules=[{"category": "weapon", "terms": ["*waffe*"], "reason": REASON, **limits}],
        now=NOW,
    )
    brands.approve_rules(
        actor=desk.studio.team.other_manager,
        rules_id=proposed.id,
        sha256=proposed.sha256,
        now=NOW,
    )


class TestAMarket:
    def test_is_the_brands_first_unless_the_order_names_one(self, desk: Desk) -> None:
        give(desk, *MARKETS)
        assert desk.place().market == "DE"
        french = desk.place(market="FR")
        assert french.market == "FR"
        claim = claimed(french.items[0])
        assert (claim.market, claim.template_slug) == ("FR", "hero-shot")
        assert jobs.ordered_as([french.id])[french.id].market == "FR"
        assert jobs.get_order_facts(french.items[0].id).market == "FR"
        entry = Entry.objects.filter(event="generation.job.created").latest("id")
        assert json.loads(bytes(entry.body))["facts"]["market"] == "FR"

    def test_is_none_for_a_brand_without_markets(self, desk: Desk) -> None:
        assert desk.place().market == ""

    @pytest.mark.parametrize("markets", [(), MARKETS])
    def test_that_the_brand_does_not_have_is_refused(
        self, desk: Desk, markets: tuple[Market, ...]
    ) -> None:
        give(desk, *markets)
        before = rows.counted()
        with pytest.raises(InvalidInput) as refused:
            desk.place(market="AT")
        assert (refused.value.pointer, refused.value.facts["rule"]) == ("/market", "allowed")
        assert rows.added_since(before) == {}

    def test_narrows_the_list_of_orders(self, desk: Desk) -> None:
        give(desk, *MARKETS)
        desk.place(), desk.place(market="FR")
        found = jobs.list_jobs(desk.marketer, brand_id=desk.brand_id, market="FR")
        assert [each.market for each in found] == ["FR"]

    def test_stays_with_an_order_when_the_brand_leaves_it(self, desk: Desk) -> None:
        give(desk, *MARKETS)
        placed = desk.place(market="FR")
        give(desk, MARKETS[0])
        assert jobs.get_job(desk.marketer, placed.id).market == "FR"


class TestARuleOfAMarket:
    def test_refuses_there_with_the_words_and_their_place(self, desk: Desk) -> None:
        give(desk, *MARKETS)
        rule(desk, markets=["DE"])
        with pytest.raises(order.OrderRefused) as refused:
            desk.place(with_variables={"detail": "Wasserwaffe, blau"})
        facts = refused.value.facts
        assert refused.value.pointer == "/variables/detail"
        assert refused.value.detail == REASON
        assert {name: facts[name] for name in ("field", "found", "start", "end")} == {
            "field": "detail",
            "found": "Wasserwaffe",
            "start": 0,
            "end": 11,
        }
        assert facts["overridable_by"] == "compliance_reviewer"
        assert "Wasserwaffe" in str(facts["next_step"])

    def test_lets_the_same_words_pass_elsewhere(self, desk: Desk) -> None:
        give(desk, *MARKETS)
        rule(desk, markets=["DE"])
        assert desk.place(with_variables={"detail": "Wasserwaffe"}, market="FR").market == "FR"

    def test_holds_where_its_language_is_read(self, desk: Desk) -> None:
        give(desk, Market("CH", ("fr", "de-CH")), Market("FR", ("fr",)))
        rule(desk, languages=["de"])
        assert desk.place(with_variables={"detail": "Wasserwaffe"}, market="FR")
        with pytest.raises(order.OrderRefused):
            desk.place(with_variables={"detail": "Wasserwaffe"}, market="CH")

    def test_holds_for_every_order_of_a_brand_without_markets(self, desk: Desk) -> None:
        rule(desk, markets=["DE"], languages=["de"])
        with pytest.raises(order.OrderRefused):
            desk.place(with_variables={"detail": "Wasserwaffe"})


class TestAPreview:
    def preview(self, desk: Desk, detail: str, **more: Any) -> order.Preview:
        return order.preview(
            actor=desk.marketer,
            template_id=desk.version.template_id,
            variables={"object": "mug", "color": "red", "detail": detail},
            now=NOW,
            **more,
        )

    def test_marks_the_words_in_the_field_and_in_the_prompt_and_records_nothing(
        self, desk: Desk
    ) -> None:
        before = rows.counted()
        shown = self.preview(desk, "a h4zard badge")
        assert [(f.field, f.found, f.start, f.end) for f in shown.findings] == [
            ("detail", "h4zard", 2, 8),
            ("", "h4zard", 18, 24),
        ]
        assert shown.prompt[18:24] == "h4zard"
        assert shown.violation == shown.findings[0].reason
        assert rows.added_since(before) == {}

    def test_asks_the_rules_of_its_market(self, desk: Desk) -> None:
        give(desk, *MARKETS)
        rule(desk, markets=["DE"])
        assert self.preview(desk, "Wasserwaffe").market == "DE"
        assert self.preview(desk, "Wasserwaffe").findings
        assert self.preview(desk, "Wasserwaffe", market="FR").findings == ()

    def test_is_given_only_so_often_in_a_minute(self, desk: Desk, settings: Any) -> None:
        settings.PREVIEWS_A_MINUTE = 2
        self.preview(desk, "")
        self.preview(desk, "")
        with pytest.raises(pace.TooManyPreviews) as refused:
            self.preview(desk, "")
        assert 1 <= int(str(refused.value.facts["retry_after_s"])) <= 60


ODD_TEXTS = {
    "10,000 characters": ("x" * 10_000, ("/variables/detail", "maxLength")),
    "emoji": ("party 🎉", ("/variables/detail", "characters")),
    "a direction turned by a control": ("\u202egnuh", ("/variables/detail", "characters")),
    "a zero width joiner": ("ha\u200dzard", ("/variables/detail", "characters")),
    "two lines": ("soft\nlight", ("/variables/detail", "characters")),
    "piled accents": ("a" + "\u0301" * 9, ("/variables/detail", "characters")),
}


class TestOddText:
    @pytest.mark.parametrize("case", ODD_TEXTS)
    def test_is_refused_by_field_and_rule_and_leaves_nothing(self, desk: Desk, case: str) -> None:
        detail, expected = ODD_TEXTS[case]
        before = rows.counted()
        with pytest.raises(InvalidInput) as refused:
            desk.place(with_variables={"detail": detail})
        assert (refused.value.pointer, refused.value.facts["rule"]) == expected
        assert rows.added_since(before) == {}

    @pytest.mark.parametrize("detail", ["مع شريط أزرق", "עם פס כחול", "蓝色条纹", "a синий stripe"])
    def test_of_any_script_is_ordered_as_it_is(self, desk: Desk, detail: str) -> None:
        item = desk.place(with_variables={"detail": detail}).items[0]
        prompt = jobs.prompt_of(desk.marketer, item.id)
        assert prompt is not None
        assert detail in prompt
