"""The kit passes what conforms, and finds each fault that is planted in a scorer that does."""

import math
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generation.packs.manifest import Pack
from generation.scoring import conformance, discover
from generation.scoring.protocol import Input, Measurement, Sample
from tests.plugins import installed

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "colorfulness"


class Plain:
    """The mean of the first channel; conforms."""

    id = "plain"
    title = "Redness"
    version = "1"
    weights_sha256: str | None = None
    licence = "CC0-1.0"
    higher_is: Any = "better"
    range = (0.0, 255.0)
    inputs = frozenset({Input.IMAGE})
    cost_ms = 1.0

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        return [self.say(sample) for sample in samples]

    def say(self, sample: Sample) -> Measurement:
        reds = np.asarray(sample.image)[..., 0]
        return Measurement(float(reds.mean()), {"pixels": int(reds.size)})


def faulty(**changes: object) -> Plain:
    """Return the plain scorer with something else in one place."""
    return type("Faulty", (Plain,), changes)()


def counting() -> Callable[[Any, Sample], Measurement]:
    """Say another number each time."""
    calls: list[int] = []

    def say(_self: Any, _sample: Sample) -> Measurement:
        calls.append(1)
        return Measurement(float(len(calls)))

    return say


def refuse(text: str) -> Callable[[Any, Sample], Measurement]:
    def say(self: Any, sample: Sample) -> Measurement:
        if min(sample.image.size) < 3:
            raise ValueError(text)
        return Plain.say(self, sample)

    return say


def crash_on_small(self: Any, sample: Sample) -> Measurement:
    return Measurement(1 / (sample.image.width - 1))


def saying(*args: Any) -> Callable[..., Any]:
    return lambda _self, _sample: Measurement(*args)


class TestCheck:
    def test_passes_what_conforms(self) -> None:
        assert conformance.check(Plain()) == []

    def test_passes_a_refusal_in_a_sentence(self) -> None:
        assert conformance.check(faulty(say=refuse("An image of 3 x 3 px is needed."))) == []

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"id": "Plain Red"}, "Its id is"),
            ({"title": ""}, "Its title is"),
            ({"version": ""}, "Its version is"),
            ({"licence": ""}, "Its licence is"),
            ({"higher_is": "up"}, "Its higher_is is"),
            ({"range": (1.0, 0.0)}, "Its range is"),
            ({"range": (math.nan, 1.0)}, "Its range is"),
            ({"range": None}, "does not say what it is"),
            ({"inputs": frozenset()}, "Its inputs are"),
            ({"inputs": frozenset({"image"})}, "Its inputs are"),
            ({"inputs": ["pixels"]}, "Its inputs are"),
            ({"cost_ms": -1.0}, "Its cost_ms is"),
            ({"cost_ms": "fast"}, "does not say what it is"),
            ({"weights_sha256": "0123"}, "Its weights_sha256 is"),
            ({"say": saying(256.0)}, "outside of its range"),
            ({"say": saying(math.nan)}, "outside of its range"),
            ({"say": saying("1")}, "not a Measurement with a number"),
            ({"say": counting()}, "asked again"),
            ({"say": saying(1.0, {"what": {1, 2}})}, "not JSON"),
            ({"say": saying(1.0, {"ratio": math.inf})}, "not JSON"),
            ({"say": saying(1.0, {"boxes": [{"x": 3}]})}, "boxes is a list"),
            ({"say": saying(1.0, {"noise": "x" * 70_000})}, "at most 65536"),
            ({"say": crash_on_small}, "raises ZeroDivisionError"),
            ({"say": refuse("no")}, "without saying why"),
            ({"score": lambda *_: [Measurement(1.0)]}, "one measurement for each"),
            (
                {"score": lambda self, s: sorted(Plain.score(self, s), key=lambda m: m.value)},
                "order of the samples",
            ),
            (
                {"score": lambda _self, samples: [Measurement(float(len(samples)))] * len(samples)},
                "otherwise in a group",
            ),
        ],
    )
    def test_finds_a_fault(self, changes: dict[str, Any], fault: str) -> None:
        faults = conformance.check(faulty(**changes))
        assert any(fault in each for each in faults), faults

    def test_finds_weights_that_are_not_those_of_the_folder(self, demo_pack: Pack) -> None:
        entry = demo_pack.scorers[0]
        folder = entry.resolve(demo_pack.folder)
        scorer = discover.build(entry, demo_pack.folder, "cpu")
        assert list(conformance._check_weights(scorer, folder)) == []
        assert "has changed" in conformance.check(faulty(weights_sha256="0" * 64), folder=folder)[0]


class TestOurs:
    def test_conform_without_exception(self) -> None:
        makers = [kind for kind in discover.discover().values() if kind.make]
        assert makers
        faults = {kind.name: conformance.check(discover.make(kind)) for kind in makers}
        assert faults == {kind.name: [] for kind in makers}

    def test_of_the_demo_pack_conform(self, demo_pack: Pack) -> None:
        for entry in demo_pack.scorers:
            scorer = discover.build(entry, demo_pack.folder, "cpu")
            folder = entry.resolve(demo_pack.folder)
            assert conformance.check(scorer, folder=folder) == []


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example package, installed as its own metadata say."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    monkeypatch.syspath_prepend(str(EXAMPLE))
    with installed(tmp_path, project["name"], project["entry-points"][discover.GROUP]):
        yield


@pytest.mark.usefixtures("example")
class TestAnOutsidersScorer:
    def test_has_fewer_than_60_lines(self) -> None:
        source = (EXAMPLE / "imprimatur_colorfulness.py").read_text()
        assert len(source.splitlines()) < 60

    def test_passes_the_kit_from_the_command_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert conformance.main(["colorfulness"]) == 0
        assert capsys.readouterr().out == "colorfulness: conforms\n"

    def test_is_told_apart_from_one_that_is_not_there(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert conformance.main(["colourfulness"]) == 1
        assert "There is no scorer without a model named" in capsys.readouterr().out

    def test_is_found_with_who_brings_it(self) -> None:
        assert discover.discover()["colorfulness"].package == "imprimatur-colorfulness 1.0"
