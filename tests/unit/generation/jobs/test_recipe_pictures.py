"""A recipe leads to the very pictures that an image was made from, in their roles and order."""

import json
from dataclasses import replace
from typing import Any

import pytest

from generation.assets import blobs
from generation.engines.spec import BoxMask, PictureRef
from generation.jobs import recipes, rendering, worker
from generation.jobs.errors import RecipeUnreadable
from generation.jobs.records import Box, Claim, Used, Worn
from generation.registry.selectors import AdapterRecord
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError, InvalidInput
from governance.kernel.ids import uuid7
from tests.factories import jobs as make
from tests.factories.pictures import png
from tests.factories.review import NOW
from tests.unit.generation.jobs.test_recipe import CLAIM, PROMPT, RESULT

CUP, WHITE = png(), png("white")
SOURCE = Used("source", sha256_hex(CUP), picture_id=uuid7(), strength=0.1 + 0.2)
MASK = Used("mask", sha256_hex(WHITE), picture_id=uuid7())
FIRST = Used("reference", sha256_hex(WHITE), asset_id=uuid7())
SECOND = Used("reference", sha256_hex(CUP), picture_id=uuid7())
FOLLOWED = Used("control", sha256_hex(CUP), asset_id=uuid7())
NET = Worn(
    AdapterRecord(
        id=uuid7(),
        slug="outlines",
        number=1,
        name="Outlines",
        kind="controlnet",
        family="sd3",
        folder="demo/controlnet-edges",
        snapshot_sha256="c" * 64,
        files=(),
        trigger_words=(),
        training_record="",
        training_record_sha256="d" * 64,
        licence="Apache-2.0",
        licence_id=uuid7(),
        proposed_by=uuid7(),
        approved_by=uuid7(),
        created_at=NOW,
        retired_at=None,
    ),
    0.7,
)


@pytest.fixture(autouse=True)
def _stored(settings: Any, tmp_path: Any) -> None:
    settings.MODELS_FOLDER = "/srv/private/models"
    make.use_blobs(settings, tmp_path / "blobs")
    for data in (CUP, WHITE):
        blobs.put(data)


def written(claim: Claim) -> bytes:
    return worker._recipe(claim, worker._spec(claim, PROMPT), RESULT)


def again(data: bytes) -> Any:
    return rendering.spec(recipes.read(data, sha256_hex(data)).making, PROMPT)


@pytest.mark.parametrize(
    "pictures",
    [
        (SOURCE,),
        (SOURCE, MASK),
        (SOURCE, Used("mask", box=Box(0.1 + 0.2, 0.0, 1.0, 0.5))),
        (FIRST, SECOND),
    ],
    ids=lambda pictures: "+".join(each.role for each in pictures),
)
def test_leads_to_the_spec_that_was_rendered(pictures: tuple[Used, ...]) -> None:
    claim = replace(CLAIM, pictures=pictures)
    assert again(written(claim)) == worker._spec(claim, PROMPT)


def test_says_each_picture_to_the_engine() -> None:
    masked = again(written(replace(CLAIM, pictures=(SOURCE, MASK))))
    assert (masked.source.image, masked.source.strength) == (CUP, 0.1 + 0.2)
    assert masked.source.mask == PictureRef(WHITE, sha256_hex(WHITE))
    boxed = again(written(replace(CLAIM, pictures=(SOURCE, Used("mask", box=Box(0, 0, 1, 0.5))))))
    assert boxed.source.mask == BoxMask(0, 0, 1, 0.5)
    looked_at = again(written(replace(CLAIM, pictures=(FIRST, SECOND))))
    assert [each.image for each in looked_at.references] == [WHITE, CUP]
    assert again(written(CLAIM)).source is None


def test_names_pictures_by_digest_role_and_id_alone() -> None:
    recipe = json.loads(written(replace(CLAIM, pictures=(SOURCE,))))
    assert recipe["pictures"] == [
        {
            "role": "source",
            "sha256": sha256_hex(CUP),
            "strength": str(0.1 + 0.2),
            "picture_id": str(SOURCE.picture_id),
        }
    ]
    assert "pictures" not in json.loads(written(CLAIM))


def test_follows_what_a_controlnet_followed() -> None:
    claim = replace(CLAIM, worn=(NET,), pictures=(FOLLOWED,))
    spec = again(written(claim))
    assert (spec.control.image, spec.control.preprocessor) == (CUP, "edges/1")
    assert spec == worker._spec(claim, PROMPT)


def test_reads_what_an_earlier_release_wrote_beside_the_adapter() -> None:
    recipe = json.loads(written(replace(CLAIM, worn=(NET,), pictures=(FOLLOWED,))))
    del recipe["pictures"]
    recipe["adapters"][0] |= {"source_asset_id": str(uuid7()), "source_sha256": FOLLOWED.sha256}
    assert again(json.dumps(recipe).encode()).control.image == CUP


@pytest.mark.parametrize(
    ("worn", "pictures"), [((NET,), ()), ((), (FOLLOWED,)), ((NET,), (FOLLOWED, FOLLOWED))]
)
def test_a_controlnet_follows_exactly_one(
    worn: tuple[Worn, ...], pictures: tuple[Used, ...]
) -> None:
    with pytest.raises(InvalidInput, match="follows one picture"):
        worker._spec(replace(CLAIM, worn=worn, pictures=pictures), PROMPT)


@pytest.mark.parametrize(
    "picture", [{"role": "other"}, {}, {"role": "mask", "box": ["0", "1"]}, "source"], ids=str
)
def test_refuses_a_picture_that_lacks_a_part(picture: Any) -> None:
    recipe = json.loads(written(CLAIM)) | {"pictures": [picture]}
    with pytest.raises(RecipeUnreadable, match="lacks"):
        again(json.dumps(recipe).encode())


def test_fails_where_the_bytes_are_gone() -> None:
    with pytest.raises(DomainError) as error:
        worker._spec(replace(CLAIM, pictures=(replace(SOURCE, sha256="0" * 64),)), PROMPT)
    assert error.value.code == "blob_missing"
