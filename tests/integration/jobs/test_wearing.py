"""A worker renders with a LoRA and a ControlNet, writes them down, and repeats itself."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from generation.assets.models import Asset
from generation.engines import registry as engines
from generation.engines.spec import AdapterRef, ControlRef, RunSpec
from generation.jobs.records import Worn
from generation.packs.manifest import Pack
from generation.registry import services as registry
from governance.kernel.digests import sha256_hex
from governance.review import selectors as review_selectors
from tests.factories import jobs as make
from tests.factories import registry as adapters
from tests.factories.quota import platform_admin
from tests.packs import shared_pack

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pack(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    pack = shared_pack(tmp_path_factory)
    settings.MODELS_FOLDER = pack.folder.parent
    return pack


def order(shop: make.Shop, *worn: Worn, follow: UUID | None = None) -> UUID:
    """Order one image that wears this, and return the item's id."""
    pictures = [make.used(follow, "control")] if follow else []
    return shop.order(worn=worn, pictures=pictures, parent_asset_id=follow).items[0].id


def made(shop: make.Shop, item_id: UUID) -> Asset:
    """Let a worker make an item."""
    make.work_on(item_id)
    assert shop.item(item_id).failure == ""
    return Asset.objects.get(item_id=item_id)


class TestAWorker:
    def test_renders_what_is_worn_and_the_recipe_makes_it_again(self, pack: Pack) -> None:
        shop = make.shop(pack=pack)
        look = adapters.adapter(pack)
        outlines = adapters.adapter(pack, kind="controlnet", slug="outlines")
        plain = made(shop, order(shop))
        worn = made(
            shop,
            order(shop, Worn(look, 0.8), Worn(outlines, 0.7), follow=plain.id),
        )
        assert worn.sha256 != plain.sha256
        assert worn.parent_id == plain.id
        assert set(review_selectors.contributors(plain.id)) <= set(
            review_selectors.contributors(worn.id)
        )
        recipe = json.loads(bytes(worn.recipe))
        assert "adapters" not in json.loads(bytes(plain.recipe))
        assert [(each["slug"], each["strength"]) for each in recipe["adapters"]] == [
            ("brand-look", "0.8"),
            ("outlines", "0.7"),
        ]
        assert recipe["pictures"] == [
            {"role": "control", "sha256": plain.sha256, "asset_id": str(plain.id)}
        ]
        assert recipe["facts"]["control.map_sha256"]
        spec = replayed(recipe, pack.folder.parent, plain)
        again = engines.find(spec.pipeline).render(spec, lambda _done, _of: None)
        assert again.pixels_sha256 == recipe["pixels_sha256"]

    def test_fails_what_its_adapter_was_retired_under(self, pack: Pack) -> None:
        shop, look = make.shop(pack=pack), adapters.adapter(pack)
        item_id = order(shop, Worn(look, 0.8))
        registry.retire_adapter(actor=platform_admin(), adapter_id=look.id, now=make.NOW)
        assert make.work_on(item_id) is None
        item = shop.item(item_id)
        assert item.state == "failed"
        assert "was retired" in item.failure
        assert set(shop.balances().values()) == {(0, 0)}

    def test_fails_a_look_whose_files_changed(self, pack: Pack) -> None:
        shop = make.shop(pack=pack)
        look = adapters.adapter(pack, snapshot_sha256=sha256_hex(b"other files"))
        item_id = order(shop, Worn(look, 0.8))
        assert make.work_on(item_id) is None
        assert "changed since it was approved" in shop.item(item_id).failure


def replayed(recipe: dict[str, Any], models: Path, source: Asset) -> RunSpec:
    """Write the spec that a recipe stands for, with nothing but the recipe and the source."""
    look, outlines = recipe["adapters"]
    data = make.blobs.get(source.sha256)
    return RunSpec(
        folder=models / recipe["profile"]["folder"],
        snapshot_sha256=recipe["snapshot_sha256"],
        pipeline=recipe["pipeline"],
        prompt=make.PROMPT,
        negative_prompt=recipe["negative_prompt"],
        width=int(recipe["width"]),
        height=int(recipe["height"]),
        steps=int(recipe["steps"]),
        guidance=float(recipe["guidance"]),
        seed=int(recipe["seed"]),
        max_sequence_length=int(recipe["max_sequence_length"]),
        device=recipe["device"],
        dtype=recipe["dtype"],
        adapters=(
            AdapterRef(models / look["folder"], look["snapshot_sha256"], float(look["strength"])),
        ),
        control=ControlRef(
            models / outlines["folder"],
            outlines["snapshot_sha256"],
            data,
            source.sha256,
            float(outlines["strength"]),
            outlines["preprocessor"],
        ),
    )
