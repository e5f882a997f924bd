"""An outsider's scorer, installed beside the worker: in policies, scores and the ledger."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generation.assets.models import Asset, Score
from generation.jobs import judging, rendering
from generation.registry import selectors as registry
from generation.scoring import discover
from governance.ledger.models import Entry
from tests.factories import jobs as make
from tests.fakes.engines import ScriptedEngine
from tests.plugins import installed

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "colorfulness"
RULE = {"colorfulness": {"threshold": 500.0, "severity": "refuse"}}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[make.Shop]:
    """A brand whose policy names the example's scorer, and a worker that has it installed."""
    settings.MODELS_FOLDER = tmp_path / "models"
    (tmp_path / "models" / "nowhere").mkdir(parents=True)
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: ScriptedEngine())
    judging.close_suites()
    with installed(tmp_path, project["name"], project["entry-points"][discover.GROUP]):
        yield make.shop(thresholds=RULE, is_advisory=False)
        judging.close_suites()


def test_of_an_outsider_is_judged_recorded_and_shown(shop: make.Shop) -> None:
    item = shop.order().items[0]
    make.work_on(item.id)
    assert shop.item(item.id).state == "refused"

    score = Score.objects.get(scorer="colorfulness")
    assert (score.verdict, score.title, score.threshold) == ("refuse", "Colorfulness", 500.0)
    assert (score.higher_is, score.low, score.high) == ("better", 0.0, None)
    assert score.evidence["heat"]["rows"] == 8

    body = json.loads(bytes(Entry.objects.get(event="generation.item.refused").body))
    said = body["facts"]["scores"]["colorfulness"]
    assert (said["verdict"], said["version"]) == ("refuse", "1")

    card = next(c for c in registry.list_scorer_cards() if c.scorer == "colorfulness")
    assert (card.title, card.low, card.high) == ("Colorfulness", 0.0, None)
    assert card.package == "imprimatur-colorfulness 1.0"
    assert Asset.objects.get().features.count() == 1
