"""Features: recorded once with their image, compared inside of the brand, at a bounded cost."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from generation.assets import neighbours, services
from generation.assets.models import ImageFeatures
from generation.assets.records import Features
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.factories import jobs as make
from tests.factories import review

ENCODER = sha256_hex(b"encoder")
PHASH = 0x8123_4567_89AB_CDEF


@pytest.fixture(autouse=True)
def _own_stores(settings: Any, tmp_path: Path) -> None:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")


@pytest.fixture
def shop(db: None) -> Iterator[make.Shop]:
    return make.shop()


def pointing(*numbers: float) -> bytes:
    """Return an embedding of unit length in that direction."""
    vector = np.array(numbers, dtype="<f4")
    return (vector / np.linalg.norm(vector)).astype("<f4").tobytes()


def features(phash: int = PHASH, recipe: str = "one", **changes: Any) -> Features:
    return Features(fingerprint=sha256_hex(recipe.encode()), phash=phash, **changes)


def seen(shop: make.Shop, found: Features) -> UUID:
    """Make an image with these features."""
    asset_id = make.finish(make.claimed(shop.order().items[0]))
    services.record_features(
        asset_id=asset_id, brand_id=shop.brand_id, features=found, now=make.NOW
    )
    return asset_id


def near(shop: make.Shop, asked: Features, **how: Any) -> list[UUID]:
    found = neighbours.find_neighbours(brand_id=shop.brand_id, features=asked, **how)
    return [each.asset_id for each in found]


class TestFindNeighbours:
    def test_finds_every_hash_up_to_seven_bits_away(self, shop: make.Shop) -> None:
        asset_id = seen(shop, features())
        draw = random.Random(4)
        for count in range(8):
            for _ in range(12):
                flipped = sum(1 << bit for bit in draw.sample(range(64), count))
                assert near(shop, features(PHASH ^ flipped, "other")) == [asset_id], count

    def test_leaves_out_what_is_far(self, shop: make.Shop) -> None:
        """The control of the one above: two bits in every word are eight."""
        seen(shop, features())
        assert near(shop, features(PHASH ^ 0x0003_0003_0003_0003, "other")) == []

    def test_gives_back_hash_and_embedding_as_recorded(self, shop: make.Shop) -> None:
        embedding = pointing(3, 4)
        asset_id = seen(shop, features(embedding=embedding, encoder_sha256=ENCODER))
        asked = features(recipe="other", embedding=pointing(1, 0), encoder_sha256=ENCODER)
        (found,) = neighbours.find_neighbours(brand_id=shop.brand_id, features=asked)
        assert (found.asset_id, found.phash, found.embedding) == (asset_id, PHASH, embedding)

    def test_finds_by_embedding_what_the_hash_does_not(self, shop: make.Shop) -> None:
        like = seen(shop, features(0, "a", embedding=pointing(1, 0.1), encoder_sha256=ENCODER))
        unlike = seen(shop, features(0, "b", embedding=pointing(0, 1), encoder_sha256=ENCODER))
        asked = features(~0 & (1 << 64) - 1, "c", embedding=pointing(1, 0), encoder_sha256=ENCODER)
        assert near(shop, asked) == [like, unlike]
        assert near(shop, asked, limit=1) == [like]

    def test_never_compares_embeddings_of_two_encoders(self, shop: make.Shop) -> None:
        seen(shop, features(0, "a", embedding=pointing(1, 0), encoder_sha256=sha256_hex(b"old")))
        far = (1 << 64) - 1
        asked = features(far, "b", embedding=pointing(1, 0), encoder_sha256=ENCODER)
        assert near(shop, asked) == []
        # By hash it is found, and comes without the embedding that says nothing here.
        (found,) = neighbours.find_neighbours(
            brand_id=shop.brand_id,
            features=features(0, "b", embedding=pointing(1, 0), encoder_sha256=ENCODER),
        )
        assert found.embedding is None

    def test_never_leaves_the_brand(self, shop: make.Shop) -> None:
        other = make.shop("southwind")
        embedded = {"embedding": pointing(1, 0), "encoder_sha256": ENCODER}
        seen(other, features(**embedded))
        assert near(shop, features(recipe="mine", **embedded)) == []
        assert near(other, features(recipe="mine", **embedded)) != []

    def test_leaves_out_the_same_recipe_made_again(self, shop: make.Shop) -> None:
        embedded = {"embedding": pointing(1, 0), "encoder_sha256": ENCODER}
        seen(shop, features(**embedded))
        assert near(shop, features(**embedded)) == []

    def test_finds_the_same_picture_by_another_recipe_of_the_same_order(
        self, shop: make.Shop
    ) -> None:
        first, second = shop.order(2).items
        asset_id = make.finish(make.claimed(first))
        claims = make.claimed(second)
        assert claims.fingerprint != shop_fingerprint(asset_id)
        services.record_features(
            asset_id=asset_id,
            brand_id=shop.brand_id,
            features=Features(fingerprint=shop_fingerprint(asset_id), phash=PHASH),
            now=make.NOW,
        )
        assert near(shop, Features(fingerprint=claims.fingerprint, phash=PHASH)) == [asset_id]

    def test_gives_the_nearest_and_then_the_newest(self, shop: make.Shop) -> None:
        far = seen(shop, features(PHASH ^ 0b111, "a"))
        older = seen(shop, features(PHASH ^ 0b1, "b"))
        newer = seen(shop, features(PHASH ^ 0b10, "c"))
        assert near(shop, features(recipe="d")) == [newer, older, far]
        assert near(shop, features(recipe="d"), limit=2) == [newer, older]

    def test_asks_three_questions_however_many_images_there_are(self, shop: make.Shop) -> None:
        embedded = {"embedding": pointing(1, 0), "encoder_sha256": ENCODER}
        asked = features(recipe="asked", **embedded)
        for count in range(3):
            seen(shop, features(PHASH ^ count, f"{count}", **embedded))
            with CaptureQueriesContext(connection) as captured:
                assert len(near(shop, asked)) == count + 1
            assert len(captured) == 3


class TestRecordFeatures:
    @pytest.mark.parametrize(
        ("wrong", "pointer"),
        [
            ({"phash": 1 << 64}, "/phash"),
            ({"phash": -1}, "/phash"),
            ({"embedding": pointing(1, 0)}, "/encoder_sha256"),
            ({"encoder_sha256": ENCODER}, "/encoder_sha256"),
            ({"embedding": pointing(1, 0), "encoder_sha256": "clip"}, "/encoder_sha256"),
            ({"embedding": b"", "encoder_sha256": ENCODER}, "/embedding"),
            ({"embedding": b"12345", "encoder_sha256": ENCODER}, "/embedding"),
        ],
    )
    def test_refuses_what_nothing_could_be_compared_with(
        self, shop: make.Shop, wrong: dict[str, Any], pointer: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            seen(shop, features(**wrong))
        assert refused.value.pointer == pointer
        assert ImageFeatures.objects.count() == 0

    def test_refuses_a_second_time(self, shop: make.Shop) -> None:
        asset_id = seen(shop, features())
        with pytest.raises(DatabaseError), transaction.atomic():
            services.record_features(
                asset_id=asset_id, brand_id=shop.brand_id, features=features(), now=make.NOW
            )
        assert ImageFeatures.objects.count() == 1


def shop_fingerprint(asset_id: UUID) -> str:
    """Return the fingerprint of the item that made an asset."""
    from generation.assets.models import Asset
    from generation.jobs.models import JobItem

    return JobItem.objects.get(pk=Asset.objects.get(pk=asset_id).item_id).fingerprint
