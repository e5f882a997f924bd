"""What waits before an order, and how long an image took: measured, and read from an index."""

import pytest
from django.db import connection

from generation.jobs import selectors
from generation.jobs.models import JobItem
from generation.jobs.records import Wait
from governance.kernel.ids import uuid7
from tests.factories import jobs as make


def wait(shop: make.Shop) -> Wait:
    return selectors.wait_for(shop.profile.id, shop.profile.queue)


class TestWaitFor:
    def test_counts_what_is_queued_in_that_queue_alone(self, shop: make.Shop) -> None:
        assert wait(shop) == Wait(images=0, image_s=None)
        job = shop.order(3)
        assert wait(shop).images == 3
        make.claimed(job.items[0])
        assert wait(shop).images == 2
        assert selectors.wait_for(shop.profile.id, "render.elsewhere").images == 0

    def test_stops_counting_where_the_number_tells_no_more(
        self, shop: make.Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "WAITING_COUNTED", 2)
        shop.order(3)
        assert wait(shop).images == 2

    def test_takes_the_median_of_that_profile_s_latest_images(
        self, shop: make.Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "MEASURED", 3)
        for item, render_s in zip(shop.order(4).items, (90.0, 2.0, 12.0, 4.0), strict=True):
            make.finish(make.claimed(item))
            JobItem.objects.filter(pk=item.id).update(
                render_s=render_s, finished_at=make.NOW.replace(minute=item.number)
            )
        assert wait(shop).image_s == 4.0
        assert selectors.wait_for(uuid7(), shop.profile.queue).image_s is None

    def test_takes_images_of_that_size_alone(self, shop: make.Shop) -> None:
        make.finish(make.claimed(shop.order(side_px=128).items[0]))
        made = {
            side_px: selectors.wait_for(
                shop.profile.id, shop.profile.queue, size=(side_px, side_px)
            ).image_s
            for side_px in (128, 256)
        }
        assert made == {128: 0.5, 256: None}

    def test_reads_both_from_an_index(self, shop: make.Shop) -> None:
        queue = shop.profile.queue
        queued = JobItem.objects.filter(queue=queue, state="queued")
        measured = JobItem.objects.filter(queue=queue, render_s__isnull=False).order_by(
            "-finished_at"
        )[:200]
        if connection.vendor == "sqlite":
            assert "item_in_queue" in queued.explain()
            assert "item_measured" in measured.explain()
            assert "TEMP B-TREE" not in measured.explain()
            return
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        # In a table this small two indexes of what waits cost the same.
        assert "item_in_" in queued.explain()
        assert "item_measured" in measured.explain()
