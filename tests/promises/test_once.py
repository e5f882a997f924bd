"""Promise 6, once: workers, relay and broker die at any moment; each item is made and billed once."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from generation.assets.models import Asset, Blob, Score
from generation.jobs.models import JobItem
from governance.ledger.models import Entry as LedgerEntry
from governance.quota import selectors as quota
from governance.quota.models import Entry
from governance.review.models import Case, Subject
from tests import processes
from tests.factories import jobs as make
from tests.factories import review
from tests.packs import shared_pack

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]

LEASE_S = 3
# Long enough to be interrupted on a fast machine, short enough to be made again on a slow one.
LONG = {"steps": 150, "side_px": 512}


@pytest.fixture
def floor(
    tmp_path: Path, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[processes.Floor]:
    review.use_sealing_key(settings, tmp_path)
    settings.MODELS_FOLDER = shared_pack(tmp_path_factory).folder.parent
    settings.LEASE_S = LEASE_S
    with processes.floor(
        tmp_path, LEASE_S=LEASE_S, HINT_AGAIN_S=1, CHECKPOINT_EVERY_S=1
    ) as laid:
        yield laid


@pytest.fixture
def shop(floor: processes.Floor, tmp_path_factory: pytest.TempPathFactory) -> make.Shop:
    return make.shop(pack=shared_pack(tmp_path_factory))


def row(item_id: UUID) -> JobItem:
    return JobItem.objects.get(pk=item_id)


def wait_until_rendering(floor: processes.Floor, item_id: UUID, epoch: int = 1) -> None:
    """Wait until some steps are done: in the middle of a render."""
    floor.wait_for(
        f"the first steps of epoch {epoch}",
        lambda: JobItem.objects.filter(pk=item_id, epoch=epoch, steps_done__gt=0).exists(),
    )
    assert row(item_id).state == "leased"


def wait_until_over(floor: processes.Floor, item_id: UUID) -> JobItem:
    floor.wait_for(
        "the item's end", lambda: JobItem.objects.filter(pk=item_id, state="in_review").exists()
    )
    return row(item_id)


def assert_once(shop: make.Shop, item_id: UUID, *, epoch: int) -> None:
    """One asset, one case, one settlement on each account, and the books balance."""
    item = row(item_id)
    assert (item.state, item.epoch) == ("in_review", epoch)
    asset = Asset.objects.get(item_id=item_id)
    assert Blob.objects.filter(sha256=asset.sha256).count() == 1
    assert Subject.objects.filter(kind="asset").count() == 1
    assert Case.objects.filter(subject_id=asset.subject_id).count() == 1
    assert Score.objects.filter(asset=asset).count() == len(
        set(Score.objects.filter(asset=asset).values_list("scorer", flat=True))
    )
    kinds = sorted(Entry.objects.filter(item_id=item_id).values_list("kind", flat=True))
    assert kinds == ["reserve"] * 3 + ["settle"] * 3
    assert set(shop.balances().values()) == {(0, 1)}
    assert quota.check_books() == []
    assert LedgerEntry.objects.filter(event="generation.item.rendered").count() == 1


class TestAKilledWorker:
    def test_leaves_an_item_that_another_one_finishes_once(
        self, floor: processes.Floor, shop: make.Shop
    ) -> None:
        item = shop.order(**LONG).items[0]
        floor.start("relay")
        victim = floor.start("worker")
        wait_until_rendering(floor, item.id)
        floor.end(victim, signal.SIGKILL)
        assert row(item.id).state == "leased"
        assert Asset.objects.count() == 0

        floor.start("worker")
        assert wait_until_over(floor, item.id).attempts == 2
        assert_once(shop, item.id, epoch=2)
