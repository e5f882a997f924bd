"""A registered scorer judges the images of policies that name it, and no others."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from generation.assets.models import Score
from generation.jobs import judging, rendering
from generation.registry import services
from tests.factories import jobs as make
from tests.factories import scorers
from tests.factories.quota import NOW, platform_admin
from tests.fakes.engines import ScriptedEngine
from tests.unit.generation.scoring import tiny

pytestmark = pytest.mark.django_db(transaction=True)
RULE = {"threshold": 0.0, "severity": "refuse"}


@pytest.fixture(autouse=True)
def _models(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A models folder with one classifier, and an engine that draws by script."""
    settings.MODELS_FOLDER = tmp_path / "models"
    monkeypatch.setattr(rendering.engines, "find", lambda _pipeline: ScriptedEngine())
    yield
    judging.close_suites()


def test_is_run_where_a_policy_names_it_and_holds_once_it_is_gone(
    settings: Any, tmp_path: Path
) -> None:
    folder = settings.MODELS_FOLDER / "scorers" / "nsfw"
    sha256 = tiny.save_vit(folder)
    made = scorers.approved(snapshot_sha256=sha256)
    naming = make.shop("naming", thresholds={"nsfw": RULE}, is_advisory=False)
    silent = make.shop("silent", thresholds={"contrast": {"threshold": 0.0, "severity": "flag"}})

    item = silent.order().items[0]
    make.work_on(item.id)
    assert silent.item(item.id).state == "in_review"
    assert not Score.objects.filter(scorer="nsfw").exists()

    item = naming.order().items[0]
    make.work_on(item.id)
    assert naming.item(item.id).state == "refused"
    score = Score.objects.get(scorer="nsfw")
    assert (score.verdict, score.weights_sha256) == ("refuse", sha256)
    assert (score.title, score.licence) == ("Unsafe content", made.licence)

    shutil.move(folder, tmp_path / "away")
    item = naming.order().items[0]
    make.work_on(item.id)
    assert naming.item(item.id).state == "held"
    shutil.move(tmp_path / "away", folder)

    services.retire_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)
    item = naming.order().items[0]
    make.work_on(item.id)
    assert naming.item(item.id).state == "held"
    reason = Score.objects.filter(scorer="nsfw").order_by("-id")[0].reason
    assert reason == "The scorer did not run."
