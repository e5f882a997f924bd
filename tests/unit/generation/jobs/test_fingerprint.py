"""The fingerprint of an order: equal for equal orders, other for every single difference."""

from dataclasses import replace
from typing import Any

import pytest

from generation.jobs.records import ItemOrder
from generation.jobs.services._create import _fingerprint
from generation.registry.selectors import ProfileRecord
from governance.kernel.ids import uuid7

ORDER = ItemOrder(
    prompt=b"sealed",
    prompt_digest="d" * 64,
    negative_prompt="blurry",
    seed=11,
    width_px=256,
    height_px=128,
    steps=8,
    guidance=4.0,
)
PROFILE = ProfileRecord(
    id=uuid7(),
    slug="demo",
    number=1,
    name="Demo",
    family="sd3",
    pipeline="StableDiffusion3Pipeline",
    folder="demo/sd3",
    snapshot_sha256="a" * 64,
    dtype="float32",
    device="cpu",
    parameters={},
    scorers={},
    is_calibrated=False,
    licence="demo",
    is_approved=True,
    is_retired=False,
)


def of(**changes: Any) -> str:
    return _fingerprint(replace(ORDER, **changes), PROFILE, "b" * 64)


class TestFingerprint:
    def test_is_the_same_for_the_same_order(self) -> None:
        assert of() == of()
        assert len(of()) == 64

    def test_does_not_depend_on_how_the_prompt_was_sealed(self) -> None:
        assert of(prompt=b"sealed again") == of()

    @pytest.mark.parametrize(
        "changes",
        [
            {"prompt_digest": "e" * 64},
            {"negative_prompt": ""},
            {"seed": 12},
            {"width_px": 128, "height_px": 256},
            {"steps": 9},
            {"guidance": 4.000001},
        ],
    )
    def test_differs_for_every_part_of_the_order(self, changes: dict[str, Any]) -> None:
        assert of(**changes) != of()

    def test_differs_for_another_model_or_template(self) -> None:
        other = replace(PROFILE, snapshot_sha256="c" * 64)
        assert _fingerprint(ORDER, other, "b" * 64) != of()
        assert _fingerprint(ORDER, PROFILE, "c" * 64) != of()


class TestAProfilesQueue:
    def test_is_that_of_its_device(self) -> None:
        assert PROFILE.queue == "render.cpu"
        assert replace(PROFILE, device="cuda").queue == "render.cuda"
