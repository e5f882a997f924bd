"""The pages of scoring policies: versions, one whole with what holds for an order, the form."""

from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from generation.registry import services as registry
from generation.registry.records import ScorerCard
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from templates.brands import selectors
from templates.brands import services as brands
from templates.brands.markets import Market
from templates.brands.models import ScoringPolicy
from tests.integration.web.world import World

SAFETY = ScorerCard(
    scorer="safety",
    version="1",
    title="Image safety",
    higher_is="worse",
    low=0.0,
    high=1.0,
    inputs=("image",),
    cost_ms=8.0,
    licence="CC0-1.0",
    weights_sha256="0" * 64,
    package="imprimatur 0.1.0",
)
POLICY = """
advisory: false
thresholds:
  safety: {threshold: 0.5, severity: refuse}
markets:
  DE:
    thresholds:
      safety: {threshold: 0.2, severity: refuse}
templates:
  hero_shot:
    thresholds:
      safety: {threshold: 0.9, severity: flag, version: "2"}
"""


@pytest.fixture
def scored(world: World) -> World:
    """The brand has a market, and a worker has told of one scorer."""
    brands.set_markets(
        actor=world.actor("ada"),
        brand_id=world.brand_id,
        markets=(Market("DE", ("de",)),),
        now=now(),
    )
    registry.record_scorer_cards(actor=SYSTEM, cards=[SAFETY], now=now())
    return world


def send(world: World, text: str, act: str = "propose", username: str = "mona") -> Any:
    return world.client(username).post(
        f"/brands/{world.brand_id}/scoring/propose/", {"document": text, "act": act}, follow=True
    )


class TestTheForm:
    def test_begins_with_the_policy_in_force(self, scored: World) -> None:
        page = scored.client("mona").get(f"/brands/{scored.brand_id}/scoring/propose/")
        text = unescape(page.content.decode())
        assert "thresholds:\n  " in text
        assert "Image safety" in text
        assert "0 … 1" in text

    def test_says_what_a_policy_would_change_and_records_nothing(self, scored: World) -> None:
        before = ScoringPolicy.objects.count()
        text = unescape(send(scored, POLICY, "check").content.decode())
        assert "Market DE" in text
        assert "Stricter" in text
        assert ScoringPolicy.objects.count() == before

    def test_proposes_what_its_page_then_shows_for_a_market_and_a_template(
        self, scored: World
    ) -> None:
        send(scored, POLICY)
        policy = selectors.list_scoring_policies(scored.actor("mona"), scored.brand_id)[0]
        assert sorted(policy.markets) == ["DE"]
        client = scored.client("max")
        path = f"/scoring/{policy.id}/"
        strict = unescape(client.get(f"{path}?market=DE&template=hero_shot").content.decode())
        effective = strict[strict.index('id="effective"') : strict.index("The whole brand</h2>")]
        assert "< 0.2" in effective
        assert "Market DE" in effective
        loose = unescape(client.get(f"{path}?template=hero_shot").content.decode())
        effective = loose[loose.index('id="effective"') : loose.index("The whole brand</h2>")]
        assert "< 0.9" in effective
        assert "every image would be held" in effective
        case = unescape(client.get(f"/brands/{scored.brand_id}/scoring/").content.decode())
        assert f"Version {policy.number}" in case

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("advisory: [", "The policy, line"),
            ("advisory: false", "/thresholds: “thresholds” is missing."),
            (POLICY.replace("safety:", "sadness:"), "No scorer is called “sadness”"),
            (POLICY.replace("0.2", "7"), "/markets/DE/thresholds/safety/threshold: Image safety"),
            (POLICY.replace("hero_shot", "nobody"), "This brand has no template “nobody”."),
            (POLICY.replace("DE:", "FR:"), "This brand has no market FR."),
            (POLICY.replace("DE:", "XX:"), "is no country code"),
            ("x: &a 1\ny: *a", "aliases"),
            ("", "This field is required."),
        ],
    )
    def test_says_what_is_wrong_by_its_place_and_keeps_what_was_typed(
        self, scored: World, text: str, said: str
    ) -> None:
        before = ScoringPolicy.objects.count()
        answer = send(scored, text)
        assert answer.status_code == 400
        page = unescape(answer.content.decode())
        assert said in page
        assert text.strip().splitlines()[:1] == [] or text.strip().splitlines()[0] in page
        assert ScoringPolicy.objects.count() == before

    def test_is_for_brand_managers(self, scored: World) -> None:
        assert send(scored, POLICY, username="marta").status_code == 403
        path = f"/brands/{scored.brand_id}/scoring/propose/"
        assert scored.client("otto").get(path).status_code == 403
        assert scored.client("otto").get(f"/brands/{scored.brand_id}/scoring/").status_code == 200


class TestUnknownScorers:
    def test_may_be_named_while_no_worker_has_told_of_any(self, world: World) -> None:
        text = "advisory: true\nthresholds:\n  sadness: {threshold: 0.5, severity: flag}\n"
        assert send(world, text).status_code == 200
        assert "No worker has told yet" in unescape(
            world.client("mona").get(f"/brands/{world.brand_id}/scoring/propose/").content.decode()
        )


class TestCards:
    def test_are_recorded_only_where_they_are_new(self, world: World) -> None:
        def record(*cards: ScorerCard) -> int:
            return registry.record_scorer_cards(actor=SYSTEM, cards=cards, now=now())

        assert record(SAFETY) == 1
        assert record(SAFETY) == 0
        assert record(replace(SAFETY, version="2")) == 1
