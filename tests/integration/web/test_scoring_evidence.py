"""What scorers found is drawn and said on the pages; a backtest stands with its policy's review."""

from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from imprimatur.workflow import policies

from generation.assets.selectors import ScoreRecord
from generation.jobs.records import JobRecord
from governance.kernel.clock import now
from governance.review import selectors as reviews
from templates.brands import selectors as brands
from tests.integration.web.world import World


def scored(world: World, verdict: str, **evidence: Any) -> JobRecord:
    """Make an image that one scorer says this of, with this evidence."""
    policy_id = brands.current_scoring_policy(world.brand_id).id
    record = ScoreRecord(
        scorer="palette",
        version="1",
        weights_sha256="",
        value=0.9,
        threshold=0.5,
        verdict=verdict,
        reason="",
        policy_id=policy_id,
        evidence=evidence,
        title="Distance to the palette",
        higher_is="worse",
        low=0.0,
        high=1.0,
    )
    setattr(world, "_scores", lambda _verdict: (record,))  # noqa: B010  of the dataclass itself
    return world.make(world.order(1), verdict=verdict)


def page(world: World, username: str, path: str) -> str:
    answer = world.client(username).get(path)
    assert answer.status_code == 200, path
    return unescape(answer.content.decode())


def proposed(world: World) -> UUID:
    """Propose a stricter scoring policy, with its backtest."""
    mona = world.actor("mona")
    return policies.propose_scoring(
        actor=mona,
        brand_id=world.brand_id,
        content={
            "advisory": False,
            "thresholds": {"sharpness": {"threshold": 30.0, "severity": "refuse"}},
        },
        now=now(),
    ).id


class TestFindings:
    def test_are_drawn_with_a_refusal_and_its_appeal(self, world: World) -> None:
        job = scored(
            world,
            "refuse",
            boxes=[
                {"x": 0.1, "y": 0.1, "width": 0.5, "height": 0.5, "label": "sign", "score": 0.8}
            ],
        )
        refusal = f"/refusals/{job.items[0].refusal_id}/"
        said = {"argument": "The sign is part of the toy."}
        appeal = world.client("marta").post(refusal, said).headers["Location"]
        for username, path in (("marta", refusal), ("clara", refusal), ("clara", appeal)):
            text = page(world, username, path)
            assert f'src="/assets/{job.items[0].asset_id}/image"' in text
            assert 'id="overlay-1"' in text
            assert "10 % from the left" in text

    def test_are_drawn_and_said_to_the_reviewer(self, world: World) -> None:
        job = scored(
            world,
            "flag",
            boxes=[
                {"x": 0.1, "y": 0.1, "width": 0.5, "height": 0.5, "label": "logo", "score": 0.8}
            ],
            colors=[{"hex": "#ff0000", "share": 0.3, "nearest": "#1f3a5f", "delta_e": 41.2}],
        )
        (case,) = world.cases(job)
        shown = page(world, "bruno", f"/reviews/{case.id}/")
        assert 'id="overlay-1"' in shown
        assert 'aria-controls="overlay-1"' in shown
        assert "ΔE 41.20" in shown
        assert "nearest: #1f3a5f" in shown
        assert "Whoever reviews it weighs this." in shown
        assert "10 % from the left" in shown

    def test_name_who_decides_about_what_is_held(self, world: World) -> None:
        job = scored(world, "hold", heat={"rows": 1, "columns": 2, "values": [0.0, 1.0]})
        shown = page(world, "clara", f"/reviews/held/{job.items[0].id}/")
        assert 'class="overlay"' in shown
        assert "A Compliance reviewer decides whether it goes on." in shown

    def test_show_the_image_that_it_resembles_only_to_who_may_see_it(self, world: World) -> None:
        first = world.make(world.order(1))
        twin_id = first.items[0].asset_id
        near = {"distance": 2, "similarity": 0.99}
        job = scored(world, "flag", duplicate={"asset_id": str(twin_id), **near})
        (case,) = world.cases(job)
        assert f"/assets/{twin_id}/image" in page(world, "bruno", f"/reviews/{case.id}/")
        unknown = scored(world, "flag", duplicate={"asset_id": str(uuid4()), **near})
        (case,) = world.cases(unknown)
        assert "that you may not see" in page(world, "bruno", f"/reviews/{case.id}/")

    def test_cost_no_query_more_on_a_sheet_of_many(self, world: World) -> None:
        def queries(variants: int) -> int:
            twin = {"asset_id": str(uuid4()), "distance": 1, "similarity": 1.0}
            scored(world, "flag", duplicate=twin)
            job = world.make(world.order(variants), verdict="flag")
            client = world.client("marta")
            with CaptureQueriesContext(connection) as counted:
                assert client.get(f"/orders/{job.id}/").status_code == 200
            return len(counted)

        assert queries(1) == queries(4)


class TestBacktest:
    def test_stands_with_the_review_of_its_policy(self, world: World) -> None:
        world.make(world.order(2))
        case = reviews.find_case_for_subject(proposed(world))
        assert case is not None
        shown = page(world, "max", f"/reviews/{case.id}/")
        assert "What it would have changed" in shown
        assert "It would have judged" in shown
        assert "of 2 images otherwise" in shown

    def test_can_be_run_again_and_the_earlier_one_stays(self, world: World) -> None:
        policy_id = proposed(world)
        client = world.client("max")
        answer = client.post(f"/scoring/{policy_id}/backtest/", {"assets": "100"}, follow=True)
        shown = unescape(answer.content.decode())
        assert "its report is on file" in shown
        assert "Earlier reports:" in shown
        (newest, first) = reviews.list_exhibits(world.actor("max"), policy_id)
        assert (newest.document["asked"], first.document["asked"]) == (100, 1000)
        assert "Judged from recorded scores" in page(
            world, "max", f"/scoring/backtests/{first.id}/"
        )

    @pytest.mark.parametrize("count", ["", "5", "10001", "many", "-100", "9" * 40, "²"])
    def test_over_a_wrong_number_says_so(self, world: World, count: str) -> None:
        policy_id = proposed(world)
        client = world.client("max")
        answer = client.post(f"/scoring/{policy_id}/backtest/", {"assets": count}, follow=True)
        assert "A backtest goes over 100 to 10000 images." in unescape(answer.content.decode())
        assert len(reviews.list_exhibits(world.actor("max"), policy_id)) == 1

    def test_is_for_reviewers(self, world: World) -> None:
        policy_id = proposed(world)
        (filed,) = reviews.list_exhibits(world.actor("max"), policy_id)
        marta = world.client("marta")
        assert marta.post(f"/scoring/{policy_id}/backtest/", {"assets": "100"}).status_code == 403
        assert marta.get(f"/scoring/backtests/{filed.id}/").status_code == 404
        assert marta.get(f"/scoring/backtests/{uuid4()}/").status_code == 404


class TestCalibration:
    def test_says_that_there_is_too_little_to_compare(self, world: World) -> None:
        assert "Nothing to compare yet" in page(world, "bruno", "/scoring/calibration/")
        (case,) = world.cases(world.make(world.order(1)))
        world.decide(case, "bruno")
        shown = page(world, "bruno", "/scoring/calibration/")
        assert "Too few decisions to say: 1 approved and 0 turned down" in shown
        assert "Bruno" not in shown.split("<main", 1)[1]

    def test_of_a_hidden_brand_is_not_there(self, world: World) -> None:
        answer = world.client("bruno").get(f"/scoring/calibration/?brand={uuid4()}")
        assert answer.status_code == 404
