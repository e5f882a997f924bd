"""What a mask keeps is kept bit for bit, and a mask fits its picture or is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generation.engines import sources
from generation.engines.placement import place
from generation.engines.sources import Source
from generation.engines.spec import BoxMask, PictureRef, SourceRef
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.unit.generation import photographs
from tests.unit.generation.conftest import MakeSpec

BOX = photographs.box((30, 30, 90, 100))
Take = Callable[..., Source]


def reference(image: Image.Image) -> PictureRef:
    data = photographs.saved_as(image)
    return PictureRef(data, sha256_hex(data))


@pytest.fixture
def take(make_spec: MakeSpec) -> Take:
    """Take the box as a source with a mask; keywords change the spec."""

    def taken(mask: Any, strength: float = 1.0, **changes: Any) -> Source:
        source = SourceRef(BOX, sha256_hex(BOX), strength, mask)
        spec = make_spec(source=source, **changes)
        return sources.take(source, spec, place("cpu", "float32"), {})

    return taken


class TestKeep:
    def test_paints_only_the_white_part(self, take: Take) -> None:
        source = take(BoxMask(0.25, 0.5, 0.75, 1.0))
        red = np.full((128, 128, 3), (255, 0, 0), np.uint8)
        kept = source.keep(red)
        assert np.array_equal(kept[64:, 32:96], red[64:, 32:96])
        kept[64:, 32:96] = photographs.pixels(BOX)[64:, 32:96]
        assert np.array_equal(kept, photographs.pixels(BOX))

    def test_hides_no_image_that_failed(self, take: Take) -> None:
        black = np.zeros((128, 128, 3), np.uint8)
        assert not take(BoxMask(0.0, 0.0, 0.5, 0.5)).keep(black).any()

    def test_without_a_mask_keeps_nothing(self, take: Take) -> None:
        made = np.full((128, 128, 3), 7, np.uint8)
        assert take(None).keep(made) is made


class TestMask:
    def test_drawn_is_fitted_as_its_picture_is(self, take: Take) -> None:
        drawn = photographs.mask(BoxMask(0.0, 0.0, 0.5, 1.0), (128, 128))
        source = take(reference(drawn), width=192, height=128)
        assert source.picture.size == (192, 128)
        assert source.mask is not None
        assert source.mask.getbbox() == (0, 0, 96, 128)

    def test_drawn_and_computed_alike_are_the_same(self, take: Take) -> None:
        box = BoxMask(0.25, 0.25, 0.5, 0.75)
        drawn, computed = take(reference(photographs.mask(box, (128, 128)))), take(box)
        assert drawn.facts["mask.fitted_sha256"] == computed.facts["mask.fitted_sha256"]
        assert drawn.facts["mask.sha256"]
        assert "mask.preprocessor" not in drawn.facts
        assert computed.facts["mask.preprocessor"] == "box/1"
        assert "mask.sha256" not in computed.facts

    def test_of_another_size_is_refused(self, take: Take) -> None:
        with pytest.raises(InvalidInput, match="as large as its picture, 128 x 128 px") as refused:
            take(reference(Image.new("L", (128, 64), 255)))
        assert refused.value.pointer == "/source/mask"

    @pytest.mark.parametrize(
        "mask", [reference(Image.new("L", (128, 128), 0)), BoxMask(0.0, 0.0, 0.001, 0.001)]
    )
    def test_that_keeps_everything_is_refused(self, take: Take, mask: Any) -> None:
        with pytest.raises(InvalidInput, match="nothing to paint") as refused:
            take(mask)
        assert refused.value.pointer == "/source/mask"

    @pytest.mark.parametrize(
        "edges", [(0.5, 0, 0.5, 1), (0, 0, 1.1, 1), (-0.1, 0, 1, 1), (0, 0.9, 1, 0.1)]
    )
    def test_of_a_box_lies_in_the_picture(self, edges: tuple[float, ...]) -> None:
        with pytest.raises(InvalidInput):
            BoxMask(*edges)


class TestStart:
    def test_draws_by_the_specs_own_generator(self, take: Take, make_spec: MakeSpec) -> None:
        source = take(None, 0.5)
        given = SourceRef(BOX, sha256_hex(BOX), 0.5)
        start = source.describe_start(make_spec(source=given, seed=12))
        assert start["strength"] == 0.5
        assert "mask_image" not in start
        drawn = torch.randn(3, generator=start["generator"])
        assert torch.equal(drawn, torch.randn(3, generator=torch.Generator("cpu").manual_seed(12)))
