"""Assets: recorded once with subject, blob and scores, read in their brand, never changed."""

from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from generation.assets import selectors, services
from generation.assets.models import Asset, Blob
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.review import selectors as review_selectors
from tests.factories import jobs as make
from tests.factories import review


@pytest.fixture(autouse=True)
def _own_stores(settings: Any, tmp_path: Path) -> None:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")


@pytest.fixture
def shop(db: None) -> make.Shop:
    return make.shop()


def made(shop: make.Shop) -> selectors.AssetRecord:
    asset_id = make.finish(make.claimed(shop.order().items[0]))
    return selectors.get_asset(shop.marketer, asset_id)


class TestRecordAsset:
    def test_names_subject_blob_recipe_and_scores(self, shop: make.Shop) -> None:
        asset = made(shop)
        subject = review_selectors.find_subject(asset.subject_id)
        assert (subject.sha256, subject.brand_id) == (asset.sha256, shop.brand_id)
        assert asset.recipe_sha256 == sha256_hex(asset.recipe)
        assert Blob.objects.get(pk=asset.sha256).size_bytes == asset.size_bytes
        assert [(s.scorer, s.value, s.verdict) for s in asset.scores] == [
            ("sharpness", 0.7, "pass")
        ]
        data, media_type = selectors.read_bytes(shop.marketer, asset.id)
        assert (sha256_hex(data), media_type) == (asset.sha256, "image/png")
        assert selectors.find_by_subject(asset.subject_id) == asset

    def test_keeps_the_same_bytes_as_one_blob(self, shop: make.Shop) -> None:
        asset = made(shop)
        services.keep_blob(
            sha256=asset.sha256,
            size_bytes=asset.size_bytes,
            media_type=asset.media_type,
            retention="work",
            now=make.NOW,
        )
        assert Blob.objects.count() == 1


class TestReads:
    def test_ask_as_often_for_many_assets_as_for_one(self, shop: make.Shop) -> None:
        ids = [made(shop).id]
        one = queries(shop, ids)
        ids += [made(shop).id for _ in range(3)]
        assert queries(shop, ids) == one
        assert len(selectors.find_assets(shop.marketer, ids)) == 4


class TestAnAsset:
    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE assets_asset SET sha256 = 'x'",
            "UPDATE assets_asset SET recipe_sha256 = 'x'",
            "DELETE FROM assets_asset",
            "UPDATE assets_score SET verdict = 'pass'",
            "DELETE FROM assets_score",
            "UPDATE assets_blob SET size_bytes = 1",
            "DELETE FROM assets_blob",
        ],
    )
    def test_and_its_scores_and_bytes_cannot_change(self, shop: make.Shop, sql: str) -> None:
        asset = made(shop)
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
        assert selectors.get_asset(shop.marketer, asset.id) == asset

    def test_cannot_name_bytes_that_its_subject_does_not(self, shop: make.Shop) -> None:
        asset = made(shop)
        subject = review.subject(shop.team)
        services.keep_blob(
            sha256=str(subject.sha256),
            size_bytes=1,
            media_type="image/png",
            retention="work",
            now=make.NOW,
        )
        row = Asset.objects.filter(pk=asset.id).values().get()
        forged = row | {"id": uuid7(), "item_id": uuid7(), "subject_id": subject.id}
        with pytest.raises(DatabaseError):
            insert(forged)
        # The control: with the subject's own bytes the same row goes in.
        insert(forged | {"sha256": subject.sha256})
        assert Asset.objects.count() == 2

    def test_cannot_name_bytes_that_are_not_kept(self, shop: make.Shop) -> None:
        asset = made(shop)
        subject = review.subject(shop.team)
        row = Asset.objects.filter(pk=asset.id).values().get()
        forged = {"id": uuid7(), "item_id": uuid7(), "subject_id": subject.id}
        with pytest.raises(DatabaseError):
            insert(row | forged | {"sha256": subject.sha256})

    def test_keeps_legal_hold_and_retention_changeable(self, shop: make.Shop) -> None:
        """The control: the blob's guard refuses other bytes, not a steward's decision."""
        made(shop)
        assert Blob.objects.update(is_on_legal_hold=True, retention_class="released") == 1


def queries(shop: make.Shop, ids: list[Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        selectors.list_assets(shop.marketer, brand_id=shop.brand_id)
        selectors.find_assets(shop.marketer, ids)
    return len(captured)


def insert(row: dict[str, Any]) -> None:
    with transaction.atomic():
        Asset.objects.create(**row)
        connection.check_constraints()
