"""What images wear is approved by two people, stays what it was, and is ordered with the image."""

from typing import Any

import pytest

from generation.assets.models import Asset
from generation.jobs.models import JobItem, WornAdapter
from generation.registry import services as registry
from governance.kernel.ids import uuid7
from tests.factories import jobs as make
from tests.factories import registry as adapters
from tests.factories import review
from tests.factories.quota import platform_admin
from tests.promises.attacks import Attack, change, copied, count, delete, insert, play, replace

ADAPTER, WORN = "registry_adapter", "jobs_wornadapter"


class Scene:
    """A proposed, an approved and a retired adapter; an item that waits, one that was made."""

    def __init__(self) -> None:
        shop = make.shop()
        self.approved = adapters.adapter().id
        self.proposed = adapters.adapter(is_approved=False).id
        self.control = adapters.adapter(slug="outlines", kind="controlnet").id
        self.retired = adapters.adapter(slug="gone").id
        registry.retire_adapter(actor=platform_admin(), adapter_id=self.retired, now=review.NOW)
        waiting, made = shop.order(2).items
        self.made, self.waiting, self.id = made.id, waiting.id, uuid7()
        make.finish(make.claimed(made))
        self.worn = WornAdapter.objects.create(
            item=JobItem.objects.get(pk=self.waiting),
            number=1,
            adapter_id=self.approved,
            strength=0.5,
            created_at=review.NOW,
        ).id
        assert Asset.objects.count() == 1

    def adapter_row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of one more adapter, as one that is only proposed."""
        return copied(ADAPTER, self.proposed) | {"id": self.id.hex, "number": 9} | changes

    def worn_row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of one more adapter that the waiting item wears."""
        return copied(WORN, self.worn) | {"id": self.id.hex, "number": 2} | changes


def is_there(table: str) -> Any:
    """Return an attack's question: the forged row, under the scene's id, is there."""
    return lambda s: count(table, id=s.id) == 1


ATTACKS: tuple[Attack[Scene], ...] = (
    Attack(
        "forget an adapter",
        [f"{ADAPTER}_never_deleted"],
        lambda s: delete(ADAPTER, s.proposed),
        lambda s: count(ADAPTER, id=s.proposed) == 0,
    ),
    Attack(
        "let an approved adapter be other bytes",
        [f"{ADAPTER}_frozen"],
        lambda s: change(ADAPTER, s.approved, snapshot_sha256="0" * 64),
        lambda _: count(ADAPTER, snapshot_sha256="0" * 64) == 1,
    ),
    Attack(
        "put an adapter in another's place",
        [f"{ADAPTER}_once"],
        lambda s: replace(
            ADAPTER, key="id", **s.adapter_row(number=copied(ADAPTER, s.proposed)["number"])
        ),
        is_there(ADAPTER),
        vendor="sqlite",
    ),
    Attack(
        "put an adapter on record as approved",
        [f"{ADAPTER}_opens_proposed"],
        lambda s: insert(ADAPTER, **s.adapter_row(approved_by=uuid7().hex, approved_at=review.NOW)),
        is_there(ADAPTER),
    ),
    Attack(
        "wear something under no licence",
        [f"{ADAPTER}_licence_on_record"],
        lambda s: insert(ADAPTER, **s.adapter_row(licence_id=uuid7().hex)),
        is_there(ADAPTER),
    ),
    Attack(
        "take an approval back",
        [f"{ADAPTER}_approved_once"],
        lambda s: change(ADAPTER, s.approved, approved_by=None, approved_at=None),
        lambda s: copied(ADAPTER, s.approved)["approved_by"] is None,
    ),
    Attack(
        "approve without a word in the ledger",
        [f"{ADAPTER}_approval_recorded"],
        lambda s: change(ADAPTER, s.proposed, approved_by=s.id, approved_at=review.NOW),
        lambda s: count(ADAPTER, approved_by=s.id) == 1,
    ),
    Attack(
        "bring a retired adapter back",
        [f"{ADAPTER}_retired_once"],
        lambda s: change(ADAPTER, s.retired, retired_at=None),
        lambda s: copied(ADAPTER, s.retired)["retired_at"] is None,
    ),
    Attack(
        "say afterwards that it was worn less",
        [f"{WORN}_append_only"],
        lambda s: change(WORN, s.worn, strength=0.1),
        lambda _: count(WORN, strength=0.1) == 1,
    ),
    Attack(
        "put one worn adapter in another's place",
        ["jobs_worn_once"],
        lambda s: replace(WORN, key="id", **s.worn_row(number=1, strength=0.1)),
        is_there(WORN),
        vendor="sqlite",
    ),
    Attack(
        "say afterwards that an image wore something",
        ["jobs_worn_from_the_order_on"],
        lambda s: insert(WORN, **s.worn_row(item_id=s.made.hex)),
        is_there(WORN),
    ),
    Attack(
        "wear what nobody approved",
        ["jobs_worn_is_approved"],
        lambda s: insert(WORN, **s.worn_row(adapter_id=s.proposed.hex)),
        is_there(WORN),
    ),
    Attack(
        "wear what was retired",
        ["jobs_worn_is_approved"],
        lambda s: insert(WORN, **s.worn_row(adapter_id=s.retired.hex)),
        is_there(WORN),
    ),
    Attack(
        "follow nothing with a ControlNet",
        ["jobs_worn_is_approved"],
        lambda s: insert(WORN, **s.worn_row(adapter_id=s.control.hex)),
        is_there(WORN),
    ),
)


@pytest.mark.django_db(transaction=True)
def test_what_is_worn_is_approved_and_stays(
    settings: Any, tmp_path: Any, subtests: pytest.Subtests
) -> None:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    play(ATTACKS, Scene(), subtests)
