"""A face is found where it is drawn, never whose it is; other cascades do not measure."""

import json
import random
from pathlib import Path
from typing import Any

import cv2
import pytest
from PIL import Image

from generation.packs.world import draw as world
from generation.packs.world import scene
from generation.scoring import conformance, person
from generation.scoring.person import PersonPresent
from generation.scoring.protocol import Sample, ScorerUnavailable
from tests.unit.generation.scoring import faces
from tests.unit.generation.scoring.images import checkers, flat

SUGGESTED = 0.6


@pytest.fixture(scope="module")
def scorer() -> PersonPresent:
    made = PersonPresent()
    made.load()
    return made


def value(scorer: PersonPresent, image: Image.Image) -> float:
    return scorer.score([Sample(image)])[0].value


class TestAFace:
    @pytest.mark.parametrize("skin", faces.SKINS)
    @pytest.mark.parametrize("size", [0.25, 0.5, 0.8])
    @pytest.mark.parametrize("side", [128, 256])
    def test_is_found_at_any_size(
        self, scorer: PersonPresent, side: int, size: float, skin: str
    ) -> None:
        assert value(scorer, faces.draw(side, size=size, skin=skin)) >= SUGGESTED

    def test_has_a_box_around_it(self, scorer: PersonPresent) -> None:
        said = scorer.score([Sample(faces.draw(256, at=(0.3, 0.6), size=0.4))])[0]
        boxes: Any = said.evidence["boxes"]
        box = boxes[0]
        assert box["label"] == "face"
        assert box["score"] == said.value
        assert abs(box["x"] + box["width"] / 2 - 0.3) < 0.06
        assert abs(box["y"] + box["height"] / 2 - 0.6) < 0.06

    def test_leaves_no_more_than_boxes_and_numbers(self, scorer: PersonPresent) -> None:
        said = scorer.score([Sample(faces.draw())])[0]
        assert set(said.evidence) == {"boxes", "faces"}
        boxes: Any = said.evidence["boxes"]
        assert all(set(box) == {"x", "y", "width", "height", "label", "score"} for box in boxes)
        assert len(json.dumps(said.evidence)) < 2000

    def test_turned_away_is_a_face_no_more(self, scorer: PersonPresent) -> None:
        """The negative control: the same ovals upside down."""
        upside_down = faces.draw(256).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        assert value(scorer, upside_down) < SUGGESTED


class TestNobody:
    def test_is_in_even_and_regular_images(self, scorer: PersonPresent) -> None:
        for image in (flat(0), flat(200), checkers(8), checkers(16, 256)):
            assert value(scorer, image) == 0.0

    def test_is_in_the_demo_world_but_for_one_in_fifty(self, scorer: PersonPresent) -> None:
        rng = random.Random(21)
        alarms = sum(
            value(scorer, world.draw(scene.sample(rng), 128, rng)) >= SUGGESTED for _ in range(50)
        )
        assert alarms <= 1


class TestScore:
    def test_passes_the_kit(self) -> None:
        assert conformance.check(PersonPresent()) == []

    def test_repeats_itself_alone_and_in_a_group(self, scorer: PersonPresent) -> None:
        samples = [Sample(faces.draw(size=size)) for size in (0.4, 0.7)]
        together = scorer.score(samples)
        assert together == [scorer.score([each])[0] for each in samples]
        assert together == PersonPresent().score(samples)

    @pytest.mark.parametrize("size", [(1, 1), (1, 400), (3000, 2), (17, 5)])
    def test_bears_odd_sizes(self, scorer: PersonPresent, size: tuple[int, int]) -> None:
        assert value(scorer, Image.new("RGB", size, "white")) == 0.0

    def test_bears_forty_million_pixels(self, scorer: PersonPresent) -> None:
        assert value(scorer, Image.new("RGB", (8000, 5000), "gray")) == 0.0


class TestTheCascades:
    def test_are_the_known_ones_or_measure_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in person._FILES:
            data = Path(cv2.data.haarcascades, name).read_bytes()
            (tmp_path / name).write_bytes(data)
        monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
        assert PersonPresent().score([Sample(flat(9))])[0].value == 0.0
        with (tmp_path / name).open("ab") as file:
            file.write(b" ")
        with pytest.raises(ScorerUnavailable, match="is not the one that this release knows"):
            PersonPresent().score([Sample(flat(9))])
        (tmp_path / name).unlink()
        with pytest.raises(ScorerUnavailable, match="install opencv-python-headless 4"):
            PersonPresent().score([Sample(flat(9))])
