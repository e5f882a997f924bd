"""The review page says whether the image can be made again, and lets reviewers ask."""

from html import unescape

from generation.jobs import selectors as jobs
from generation.jobs import services
from generation.jobs.models import Replay
from governance.kernel.clock import now
from governance.review import selectors as review
from governance.review.records import CaseRecord
from tests.factories import replays as again
from tests.integration.web.world import World

BUTTON = "Make it again and compare"


def page(world: World, username: str, case: CaseRecord) -> str:
    answer = world.client(username).get(f"/reviews/{case.id}/")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


class TestReplay:
    def test_is_asked_for_by_a_reviewer_and_told_to_all(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        assert BUTTON in page(world, "bruno", case)
        answer = world.client("bruno").post(f"/reviews/{case.id}/replay/")
        assert answer.headers["Location"] == f"/reviews/{case.id}/"
        waits = page(world, "bruno", case)
        assert "when no ordered image waits" in waits
        assert BUTTON not in waits
        replay = jobs.get_replay(world.actor("bruno"), Replay.objects.get().id)
        report = {
            "changed": [{"fact": "library.torch", "then": "2.13.0", "now": ""}],
            "are_pixels_same": False,
            "pixels": {
                "differing_share": 0.125,
                "largest_difference": 2,
                "ssim": 0.999,
                "ciede2000_mean": 0.25,
                "ciede2000_max": 1.5,
            },
        }
        services.finish_replay(
            claim=again.claimed(replay),
            remade=again.remade(replay, sha256="d" * 64, report=report),
            now=now(),
        )
        text = page(world, "marta", case)
        assert "Other bytes" in text
        assert "12.50 % of the pixels differ, by 2 of 255 at most" in text
        assert "library.torch</dt><dd>2.13.0 → –" in text
        assert BUTTON not in text
        assert BUTTON in page(world, "otto", case)

    def test_says_the_same_and_why_it_failed(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        otto = world.actor("otto")
        failed = again.asked(case.subject.id, otto, now=now())
        services.fail_replay(claim=again.claimed(failed), failure="No weights.", now=now())
        assert "No weights." in page(world, "marta", case)
        same = again.asked(case.subject.id, otto, now=now())
        services.finish_replay(claim=again.claimed(same), remade=again.remade(same), now=now())
        assert "the same to the byte" in page(world, "marta", case)

    def test_is_not_for_who_ordered(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        assert BUTTON not in page(world, "marta", case)
        assert world.client("marta").post(f"/reviews/{case.id}/replay/").status_code == 403
        assert Replay.objects.count() == 0

    def test_of_no_image_finds_nothing(self, world: World) -> None:
        released = world.template().released
        assert released is not None
        case = review.find_case_for_subject(released.subject_id)
        assert case is not None
        assert BUTTON not in page(world, "max", case)
        assert world.client("max").post(f"/reviews/{case.id}/replay/").status_code == 404

    def test_tells_when_it_was_asked_for_too_often(self, world: World, settings: object) -> None:
        settings.REPLAYS_AN_HOUR = 0
        case = world.cases(world.make(world.order(1)))[0]
        answer = world.client("bruno").post(f"/reviews/{case.id}/replay/")
        assert answer.status_code == 429
        assert "within an hour" in unescape(answer.content.decode())
