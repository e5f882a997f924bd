"""The contact sheet: progress, outcomes, cancelling, and who may look."""

from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from imprimatur.web.screens import orders as screens

from generation.jobs.models import JobItem
from tests.integration.web.world import World


class TestSheet:
    def test_polls_while_something_is_made_and_stops_after(self, world: World) -> None:
        client, job = world.client("marta"), world.order()
        assert "hx-get" in client.get(f"/orders/{job.id}/").content.decode()
        world.make(job)
        page = client.get(f"/orders/{job.id}/").content.decode()
        assert 'hx-trigger="every' not in page
        assert "2 of 2 images are made." in page

    def test_answers_204_while_nothing_moved(self, world: World) -> None:
        client, job = world.client("marta"), world.order()
        seen = screens.version_of(job)
        url = f"/orders/{job.id}/sheet/?seen={seen}"
        assert client.get(url).status_code == 204
        world.make(job)
        answer = client.get(url)
        assert answer.status_code == 200
        assert "<html" not in answer.content.decode()

    def test_names_the_rule_behind_a_flag_and_says_uncalibrated(self, world: World) -> None:
        job = world.make(world.order(), verdict="flag")
        text = unescape(world.client("marta").get(f"/orders/{job.id}/").content.decode())
        assert "Sharpness: 3.00, but the brand asks for ≥ 20.00" in text
        assert "Uncalibrated demo weights" in text

    def test_hides_a_refused_image_and_gives_the_reason(self, world: World) -> None:
        job = world.make(world.order(1), verdict="refuse")
        text = unescape(world.client("marta").get(f"/orders/{job.id}/").content.decode())
        assert "Refused, so it is not shown" in text
        assert f"/assets/{job.items[0].asset_id}/image" not in text
        assert "may override this" in text

    def test_of_another_marketer_is_not_found(self, world: World) -> None:
        job = world.order()
        assert world.client("dora").get(f"/orders/{job.id}/").status_code == 404
        assert world.client("bruno").get(f"/orders/{job.id}/").status_code == 200


class TestCancel:
    def test_ends_a_waiting_image(self, world: World) -> None:
        job = world.order()
        item = job.items[0]
        answer = world.client("marta").post(f"/orders/items/{item.id}/cancel/", follow=True)
        assert "Image cancelled. It cost no quota." in answer.content.decode()
        assert JobItem.objects.get(pk=item.id).state == "cancelled"

    def test_of_a_finished_image_says_so(self, world: World) -> None:
        job = world.make(world.order(1))
        answer = world.client("marta").post(f"/orders/items/{job.items[0].id}/cancel/", follow=True)
        assert "nothing to cancel" in answer.content.decode()

    def test_is_not_for_a_reviewer(self, world: World) -> None:
        job = world.order(1)
        answer = world.client("bruno").post(f"/orders/items/{job.items[0].id}/cancel/")
        assert answer.status_code == 403
        assert JobItem.objects.get(pk=job.items[0].id).state == "queued"


class TestList:
    def test_helps_when_it_is_empty(self, world: World) -> None:
        assert "No orders yet" in world.client("marta").get("/orders/").content.decode()

    def test_pages_without_losing_or_repeating(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(screens, "PAGE", 2)
        jobs = [world.order(1) for _ in range(3)]
        client = world.client("marta")
        first = client.get("/orders/")
        after = first.context["page"].next_after
        second = client.get(f"/orders/?after={after}")
        shown = [row["id"] for page in (first, second) for row in page.context["jobs"]]
        assert shown == [job.id for job in reversed(jobs)]
        assert client.get("/orders/?after=nonsense").status_code == 200

    def test_sheet_costs_the_same_queries_for_more_images(self, world: World) -> None:
        client = world.client("marta")
        few, many = world.make(world.order(1)), world.make(world.order(6))
        counts = []
        for job in (few, many):
            with CaptureQueriesContext(connection) as queries:
                client.get(f"/orders/{job.id}/")
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_costs_the_same_queries_for_more_orders(self, world: World) -> None:
        client, counts = world.client("marta"), []
        for orders in (1, 4):
            for _ in range(orders):
                world.make(world.order(2))
            with CaptureQueriesContext(connection) as queries:
                client.get("/orders/")
            counts.append(len(queries))
        assert counts[0] == counts[1]
