"""A worker starts images from pictures, writes that down, and the recipe makes them again."""

import json
from io import BytesIO
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from generation.assets.models import Asset
from generation.jobs import replaying, selectors
from generation.jobs.records import Box, Used
from generation.packs.manifest import Pack
from generation.pictures.records import PictureRecord
from governance.review import selectors as review
from tests.factories import jobs as make
from tests.factories import pictures
from tests.factories import replays as again
from tests.packs import shared_pack

pytestmark = pytest.mark.django_db(transaction=True)
LEFT_HALF = Box(0.0, 0.0, 0.5, 1.0)


@pytest.fixture
def shop(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> make.Shop:
    pack: Pack = shared_pack(tmp_path_factory)
    settings.MODELS_FOLDER = pack.folder.parent
    return make.shop(pack=pack)


def uploaded(picture: PictureRecord, role: str = "source", strength: float | None = None) -> Used:
    """Use an uploaded picture."""
    return Used(role, picture.sha256, picture_id=picture.id, strength=strength)


def pixels(sha256: str) -> Any:
    """Return the pixels of stored bytes."""
    with Image.open(BytesIO(make.blobs.get(sha256))) as image:
        return np.asarray(image.convert("RGB"))


def is_made_again(shop: make.Shop, asset_id: UUID) -> bool:
    """Let a worker make an image again from its recipe alone, and tell whether it is the same."""
    replay = again.asked(asset_id, shop.team.auditor)
    replaying.work_on(replay.id)
    found = selectors.get_replay(shop.team.auditor, replay.id)
    assert found.failure == ""
    return found.outcome == "same"


class TestAWorker:
    def test_starts_from_an_uploaded_picture_and_makes_it_again(self, shop: make.Shop) -> None:
        studio = pictures.Studio(shop.brand_id)
        cup = studio.picture()
        asset_id = again.image(shop, pictures=[uploaded(cup, strength=0.5)])
        plain = again.image(shop)
        made = Asset.objects.get(pk=asset_id)
        assert made.sha256 != Asset.objects.get(pk=plain).sha256
        recipe = json.loads(bytes(made.recipe))
        assert recipe["pictures"] == [
            {
                "role": "source",
                "sha256": cup.sha256,
                "strength": "0.5",
                "picture_id": str(cup.id),
            }
        ]
        assert recipe["facts"]["source.fitted_sha256"]
        assert cup.uploaded_by in review.contributors(asset_id)
        assert cup.uploaded_by not in review.contributors(plain)
        assert is_made_again(shop, asset_id)

    def test_paints_a_box_of_an_image_anew_and_keeps_the_rest(self, shop: make.Shop) -> None:
        first = again.image(shop)
        mask = Used("mask", box=LEFT_HALF)
        second = again.image(
            shop, pictures=[make.used(first, strength=1.0), mask], parent_asset_id=first
        )
        before, after = (pixels(Asset.objects.get(pk=each).sha256) for each in (first, second))
        half = before.shape[1] // 2
        assert (before[:, half:] == after[:, half:]).all()
        assert (before[:, :half] != after[:, :half]).any()
        assert Asset.objects.get(pk=second).parent_id == first
        assert is_made_again(shop, second)

    def test_fails_what_the_rights_no_longer_carry_and_gives_the_quota_back(
        self, shop: make.Shop
    ) -> None:
        studio = pictures.Studio(shop.brand_id)
        cup = studio.picture()
        item = shop.order(pictures=[uploaded(cup, strength=0.5)]).items[0]
        studio.withdraw(cup)
        assert make.work_on(item.id) is None
        found = shop.item(item.id)
        assert (found.state, found.failure) == (
            "failed",
            "The rights in this picture were withdrawn.",
        )
        assert set(shop.balances().values()) == {(0, 0)}
        assert not Asset.objects.exists()
