"""The review page shows what an image was on its way; its outputs are only for the brand."""

from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from generation.assets import blobs
from generation.assets.records import StepRecord
from generation.jobs import services
from governance.kernel.clock import now
from governance.review import selectors as review
from governance.review import services as reviews
from governance.review.records import CaseRecord
from tests.factories import jobs as make
from tests.factories import replays as again
from tests.integration.web.world import World

GENERATED = b"what the model made"


def page(world: World, case: CaseRecord) -> str:
    return unescape(world.client("bruno").get(f"/reviews/{case.id}/").content.decode())


@pytest.fixture
def case(world: World) -> CaseRecord:
    """Return the case of an image that was enlarged after it was made."""
    claim = make.claimed(world.order(1).items[0])
    made = make.rendered(claim)
    steps = (
        StepRecord(0, "generate", {}, blobs.put(GENERATED), len(GENERATED), 128, 128),
        StepRecord(1, "upscale.lanczos/1", {"factor": 2}, made.sha256, made.size_bytes, 256, 256),
    )
    rendered = replace(made, steps=steps)
    asset_id = services.finish(claim=claim, rendered=rendered, contributors={}, now=now())
    found = review.find_case_for_subject(asset_id)
    assert found is not None
    return found


class TestLineage:
    def test_is_shown_in_order_with_names_and_sizes(self, world: World, case: CaseRecord) -> None:
        text = page(world, case)
        assert "How it came about" in text
        first, second = (text.index(f"/assets/{case.subject.id}/steps/{n}/image") for n in (0, 1))
        assert first < second
        assert "Step 1: Enlarged" in text
        assert "2×" in text
        assert "256 × 256" in text

    @pytest.mark.parametrize("began", [{}, {"first_drift": {"number": 1, "name": "crop/1"}}])
    def test_tells_where_a_replay_began_to_drift(
        self, world: World, case: CaseRecord, began: dict[str, Any]
    ) -> None:
        replay = again.asked(case.subject.id, world.actor("otto"), now=now())
        report = {"changed": [], "are_pixels_same": False, "unmeasured": "No bytes.", **began}
        remade = again.remade(replay, sha256="d" * 64, report=report)
        services.finish_replay(claim=again.claimed(replay), remade=remade, now=now())
        assert ("It began at step 1: Cropped." in page(world, case)) == bool(began)

    def test_is_not_spoken_of_for_an_image_that_was_only_generated(self, world: World) -> None:
        assert "How it came about" not in page(world, world.cases(world.make(world.order(1)))[0])


class TestStepImage:
    def test_is_exactly_what_was_kept(self, world: World, case: CaseRecord) -> None:
        answer = world.client("bruno").get(f"/assets/{case.subject.id}/steps/0/image")
        assert answer.content == GENERATED
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]

    def test_lets_nobody_decide_who_did_not_see_the_image(
        self, world: World, case: CaseRecord
    ) -> None:
        world.client("bruno").get(f"/assets/{case.subject.id}/steps/1/image")
        with pytest.raises(reviews.NotSeen):
            reviews.decide(
                actor=world.actor("bruno"),
                case_id=case.id,
                verdict="approve",
                sha256=str(case.subject.sha256),
                reason="",
                now=now(),
            )

    @pytest.mark.parametrize(("username", "number"), [("ada", 0), ("bruno", 2)])
    def test_is_hidden_from_strangers_and_where_there_is_none(
        self, world: World, case: CaseRecord, username: str, number: int
    ) -> None:
        path = f"/assets/{case.subject.id}/steps/{number}/image"
        assert world.client(username).get(path).status_code == 404
