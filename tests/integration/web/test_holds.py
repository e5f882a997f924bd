"""An image that could not be judged: who sees it waiting, who decides, and what follows."""

from html import unescape
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.jobs import selectors as jobs
from generation.jobs.models import JobItem
from generation.jobs.records import JobRecord
from tests.integration.web.world import World

SAID = "Sharpness: the scorer stopped"


@pytest.fixture
def held(world: World) -> JobRecord:
    """Return an order of one image that a scorer could not judge."""
    return world.make(world.order(1), verdict="hold")


def item_case(world: World, job: JobRecord) -> UUID | None:
    return jobs.get_job(world.actor("marta"), job.id).items[0].case_id


def address(job: JobRecord) -> str:
    return f"/reviews/held/{job.items[0].id}/"


class TestQueue:
    def test_shows_a_compliance_reviewer_what_is_held_and_why(
        self, world: World, held: JobRecord
    ) -> None:
        client = world.client("clara")
        for path in ("/", "/reviews/", "/reviews/?show=held"):
            page = unescape(client.get(path).content.decode())
            assert address(held) in page, path
            assert SAID in page, path
            assert '<span class="count">1<' in page, path

    @pytest.mark.parametrize("username", ["bruno", "marta", "otto"])
    def test_shows_it_to_nobody_else(self, world: World, held: JobRecord, username: str) -> None:
        client = world.client(username)
        for path in ("/", "/reviews/", "/reviews/?show=held"):
            assert address(held) not in client.get(path).content.decode(), path

    def test_leaves_out_what_the_reviewer_had_a_part_in(
        self, world: World, held: JobRecord
    ) -> None:
        clara = world.actor("clara")
        assert len(jobs.list_held(clara)) == 1
        world.contribute(held.items[0].asset_id, clara.id)
        assert jobs.list_held(clara) == []
        page = world.client("clara").get(address(held)).content.decode()
        assert "You had a part in this" in page
        assert "Record decision" not in page

    def test_pages_without_losing_or_repeating(self, world: World) -> None:
        made = world.make(world.order(5), verdict="hold")
        clara = world.actor("clara")
        first = jobs.list_held(clara, limit=2)
        second = jobs.list_held(clara, after=first[-1].id, limit=2)
        third = jobs.list_held(clara, after=second[-1].id, limit=2)
        assert [h.number for h in (*first, *second, *third)] == [i.number for i in made.items]

    def test_costs_the_same_queries_for_more_images(self, world: World) -> None:
        client, counts = world.client("clara"), []
        for images in (1, 4):
            world.make(world.order(images), verdict="hold")
            with CaptureQueriesContext(connection) as queries:
                client.get("/reviews/?show=held")
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestSheet:
    def test_says_why_and_lets_only_the_right_person_decide(
        self, world: World, held: JobRecord
    ) -> None:
        for username, may in (("marta", False), ("bruno", False), ("clara", True)):
            page = unescape(world.client(username).get(f"/orders/{held.id}/").content.decode())
            assert SAID in page
            assert (address(held) in page) is may, username


class TestPage:
    def test_sends_an_image_into_review(self, world: World, held: JobRecord) -> None:
        client = world.client("clara")
        assert SAID in unescape(client.get(address(held)).content.decode())
        answer = client.post(
            address(held), {"outcome": "accept", "reason": "Sharp enough."}, follow=True
        )
        assert "Sent into review" in answer.content.decode()
        item = JobItem.objects.get(pk=held.items[0].id)
        assert item.state == "in_review"
        after = client.get(address(held)).content.decode()
        assert "not held" in after
        assert f"/reviews/{item_case(world, held)}/" in after

    def test_refuses_an_image_and_tells_the_requester_why(
        self, world: World, held: JobRecord
    ) -> None:
        answer = world.client("clara").post(
            address(held), {"outcome": "refuse", "reason": "A real face."}, follow=True
        )
        assert "Image refused" in answer.content.decode()
        page = unescape(world.client("marta").get(f"/orders/{held.id}/").content.decode())
        assert "A real face." in page
        assert f"/assets/{held.items[0].asset_id}/image" not in page

    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            ({"outcome": "accept", "reason": " "}, "Give the reason for this decision."),
            ({"outcome": "refuse"}, "Give the reason for this decision."),
            ({"reason": "Because."}, "Choose one of the two."),
            ({"outcome": "publish", "reason": "Because."}, "publish"),
        ],
    )
    def test_puts_what_is_wrong_beside_its_field_and_decides_nothing(
        self, world: World, held: JobRecord, sent: dict[str, str], said: str
    ) -> None:
        answer = world.client("clara").post(address(held), sent)
        assert answer.status_code == 400
        assert said in answer.content.decode()
        assert JobItem.objects.get(pk=held.items[0].id).state == "held"

    @pytest.mark.parametrize("username", ["marta", "bruno", "otto", "mona"])
    def test_lets_nobody_else_decide(self, world: World, held: JobRecord, username: str) -> None:
        client = world.client(username)
        assert "Record decision" not in client.get(address(held)).content.decode()
        answer = client.post(address(held), {"outcome": "accept", "reason": "Because."})
        assert answer.status_code == 403
        assert JobItem.objects.get(pk=held.items[0].id).state == "held"

    def test_is_hidden_from_other_brands_and_for_what_was_never_made(
        self, world: World, held: JobRecord
    ) -> None:
        assert world.client("ada").get(address(held)).status_code == 404
        assert world.client("clara").get(address(world.order(1))).status_code == 404

    def test_decided_twice_says_that_it_is_over(self, world: World, held: JobRecord) -> None:
        client, sent = world.client("clara"), {"outcome": "accept", "reason": "Fine."}
        client.post(address(held), sent)
        answer = client.post(address(held), sent)
        assert answer.status_code == 409
        assert "This image is not held." in answer.content.decode()
