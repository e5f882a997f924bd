"""Promise 6 under a clock that jumped (F16): leases and expiry go by the database's clock alone.

On SQLite the database's clock is that of the process, as all of them run on one machine.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection  # noqa: F401  (a mark reads it)
from django.utils import timezone

from generation.assets.models import Asset
from generation.jobs.models import JobItem
from governance.quota import selectors as quota
from tests import processes
from tests.factories import jobs as make
from tests.factories import review
from tests.packs import shared_pack

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
# Short beside a day, long beside what a busy machine may keep a heartbeat waiting.
LEASE_S = 15
DAY = timedelta(days=1)
# Long enough for the other worker to meet the lease in the middle.
LONG = {"steps": 80, "side_px": 512}

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="one machine has one clock"),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed"),
]


@pytest.fixture
def floor(
    tmp_path: Path, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[processes.Floor]:
    review.use_sealing_key(settings, tmp_path)
    settings.MODELS_FOLDER = shared_pack(tmp_path_factory).folder.parent
    settings.LEASE_S = LEASE_S
    with processes.floor(tmp_path, LEASE_S=LEASE_S, HINT_AGAIN_S=1, CHECKPOINT_EVERY_S=1) as laid:
        yield laid


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a-day-ahead", "a-day-behind"])
def test_a_worker_whose_clock_jumped_makes_each_image_once(
    floor: processes.Floor, tmp_path_factory: pytest.TempPathFactory, jump: timedelta
) -> None:
    shop = make.shop(pack=shared_pack(tmp_path_factory))
    item = shop.order(**LONG).items[0]
    hours = int(jump.total_seconds() // 3600)
    floor.start("relay")
    floor.start("worker", LD_PRELOAD=str(FAKETIME), FAKETIME=f"{hours:+d}h")
    # The one with the right clock would take over whatever lease looks expired to it.
    floor.wait_for(
        "the first steps", lambda: JobItem.objects.filter(pk=item.id, steps_done__gt=0).exists()
    )
    floor.start("worker")
    floor.wait_for(
        "the item's end", lambda: JobItem.objects.filter(pk=item.id, state="in_review").exists()
    )
    row = JobItem.objects.get(pk=item.id)
    assert (row.epoch, row.attempts) == (1, 1)
    asset = Asset.objects.get(item_id=item.id)
    # The control: its clock really was a day off, and what it recorded says so.
    off = asset.created_at - timezone.now()
    assert abs(off - jump) < timedelta(hours=1)
    assert set(shop.balances().values()) == {(0, 1)}
    assert quota.check_books() == []


def test_a_relay_whose_clock_jumped_expires_no_lease_that_still_runs(
    floor: processes.Floor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop = make.shop(pack=shared_pack(tmp_path_factory))
    item = shop.order(**LONG).items[0]
    floor.start("relay", LD_PRELOAD=str(FAKETIME), FAKETIME="+24h")
    floor.start("worker")
    floor.start("worker")
    floor.wait_for(
        "the item's end", lambda: JobItem.objects.filter(pk=item.id, state="in_review").exists()
    )
    row = JobItem.objects.get(pk=item.id)
    assert (row.epoch, row.attempts) == (1, 1)
    assert Asset.objects.filter(item_id=item.id).count() == 1
