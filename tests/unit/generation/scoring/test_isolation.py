"""Whatever a scorer does, its image is held with a reason, and the next one is measured."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generation.scoring.cascade import Cascade
from generation.scoring.isolation import IsolatedSuite
from generation.scoring.process import Limits, Picture
from generation.scoring.protocol import Concept, Neighbour, ScorerEntry, ScorerUnavailable
from generation.scoring.verdict import Judgement, Measured, ScoringRules, Verdict, judge
from generation.weights import snapshot
from tests.fakes import misbehaving as bad
from tests.plugins import installed
from tests.unit.generation.scoring.images import checkers

LIMITS = Limits(score_s=5.0, load_s=240.0, memory_mb=3000)
UNLIMITED = Limits(score_s=240.0, load_s=240.0)
# Sleeping scorers wait out the limit, so there are few of them; all run once, in one suite.
MISBEHAVING = (
    bad.Raises, bad.Hangs, bad.Clings, bad.Aborts, bad.Exits, bad.Eats, bad.Nan, bad.Infinite,
    bad.Exceeds, bad.Miscounts, bad.Mistypes, bad.Words, bad.Newer, bad.Unmakable,
)  # fmt: skip
WELL_BEHAVED = (bad.Looks, bad.Prints, bad.Floods, bad.Peeks)


def png(image: Image.Image, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


PICTURE = Picture(png(checkers(8)), "a red mug")


def by_scorer(rows: tuple[tuple[Measured, ...], ...]) -> dict[str, Measured]:
    (row,) = rows
    return {each.scorer: each for each in row}


def verdict_of(said: Mapping[str, Measured], scorer: str) -> Judgement:
    """Judge by a policy that names this scorer alone."""
    rules = ScoringRules.from_data({scorer: {"threshold": 0.0, "severity": "flag"}})
    return judge(said.values(), rules)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Measured]]:
    """Two images, one after the other, by one suite full of misbehaving scorers."""
    folder = tmp_path_factory.mktemp("plugins")
    points = {**bad.points(*MISBEHAVING, *WELL_BEHAVED), "absent": "tests.fakes.nowhere:No"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SECRET_KEY", "only-for-tests")
        with installed(folder, "misbehaving", points):
            suite = IsolatedSuite(folder, (), limits=LIMITS)
            try:
                return [by_scorer(suite.measure([PICTURE])) for _ in range(2)]
            finally:
                suite.close()


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IsolatedSuite]:
    """A suite of two scorers that tell what they were given, beside those of this release."""
    folder = tmp_path_factory.mktemp("plugins")
    with installed(folder, "looking", bad.points(bad.Behaves, bad.Glances)):
        suite = IsolatedSuite(folder, (), limits=UNLIMITED)
        yield suite
        suite.close()


class TestMisbehaving:
    @pytest.mark.parametrize("run", [0, 1])
    @pytest.mark.parametrize(
        ("scorer", "reason"),
        [
            ("raises", "The scorer 'raises' failed (RuntimeError)."),
            ("hangs", "The scorer 'hangs' did not answer within 5 s."),
            ("clings", "The scorer 'clings' did not answer within 5 s."),
            ("aborts", "The scorer 'aborts' crashed its process (SIGABRT)."),
            ("exits", "The scorer 'exits' ended its process (status 3)."),
            ("eats", "The scorer 'eats' ran out of memory."),
            ("nan", "The score is not a finite number."),
            ("infinite", "The score is not a finite number."),
            ("exceeds", "The score lies outside of the scorer's range from 0 to 1."),
            ("miscounts", "The scorer 'miscounts' failed (ValueError)."),
            ("mistypes", "The scorer 'mistypes' failed (TypeError)."),
            ("words", "The scorer 'words' failed (TypeError)."),
            ("newer", "The rule is for version 1 of the scorer, which is at 2."),
            ("unmakable", "The scorer 'unmakable' of 'misbehaving 1.0' cannot be made: on purpose"),
            ("absent", "cannot be loaded: No module named 'tests.fakes.nowhere'"),
            ("unheard_of", "The scorer did not run."),
        ],
    )
    def test_holds_with_a_reason(
        self, runs: list[dict[str, Measured]], run: int, scorer: str, reason: str
    ) -> None:
        judged = verdict_of(runs[run], scorer)
        score = next(each for each in judged.scores if each.scorer == scorer)
        assert (judged.verdict, score.verdict) == (Verdict.HOLD, Verdict.HOLD)
        assert reason in (score.reason or "")

    def test_leaves_the_others_their_say(self, runs: list[dict[str, Measured]]) -> None:
        for said in runs:
            for scorer in ("looks", "prints", "floods", "sharpness", "contrast"):
                assert said[scorer].measurement, said[scorer].reason

    def test_holds_nothing_that_no_rule_names(self, runs: list[dict[str, Measured]]) -> None:
        judged = verdict_of(runs[0], "looks")
        assert judged.verdict is Verdict.PASS
        reasons = {each.scorer: each.reason for each in judged.scores}
        assert "RuntimeError" in (reasons["raises"] or "")

    def test_shows_a_scorer_no_secret(self, runs: list[dict[str, Measured]]) -> None:
        said = runs[0]["peeks"].measurement
        assert said
        assert said.evidence == {"secrets": []}

    def test_keeps_evidence_small_and_in_shape(self, runs: list[dict[str, Measured]]) -> None:
        said = runs[0]["floods"].measurement
        assert said
        assert said.evidence == {"mean": 0.25, "left_out": ["boxes", "noise"]}


class TestRest:
    def test_comes_after_three_lost_processes_in_a_row(self, tmp_path: Path) -> None:
        with installed(tmp_path, "aborting", bad.points(bad.Aborts, bad.Looks)):
            suite = IsolatedSuite(tmp_path, (), limits=LIMITS)
            try:
                reasons = [by_scorer(suite.measure([PICTURE]))["aborts"].reason for _ in range(4)]
                said = by_scorer(suite.measure([PICTURE]))["looks"].measurement
            finally:
                suite.close()
        assert ["SIGABRT" in (reason or "") for reason in reasons] == [True, True, True, False]
        assert reasons[3] == (
            "The scorer 'aborts' ended its process 3 times in a row; this worker asks it again in "
            "10 min."
        )
        assert said


class TestProcess:
    def test_is_started_once(self, suite: IsolatedSuite) -> None:
        seen = [by_scorer(suite.measure([PICTURE]))["glances"].measurement for _ in range(2)]
        processes = {said.evidence["process"] for said in seen if said}
        assert len(processes) == 1
        assert os.getpid() not in processes

    def test_starts_again_after_a_kill(self, suite: IsolatedSuite) -> None:
        first = by_scorer(suite.measure([PICTURE]))["glances"].measurement
        assert first
        os.kill(int(str(first.evidence["process"])), signal.SIGKILL)
        second = by_scorer(suite.measure([PICTURE]))["glances"].measurement
        assert second
        assert first.evidence["process"] != second.evidence["process"]

    def test_hands_over_all_that_a_scorer_may_see(self, suite: IsolatedSuite) -> None:
        vector = np.array([0.6, 0.8], np.float32)
        picture = Picture(
            PICTURE.data,
            "ein Becher ☕",
            palette=("#ff0000",),
            wanted_text="SALE",
            neighbours=(Neighbour("a", 2**64 - 1, vector), Neighbour("b", 0)),
            concepts=(Concept("hazard", ("a hazard sign",)),),
        )
        said = by_scorer(suite.measure([picture]))["glances"].measurement
        assert said
        assert {name: said.evidence[name] for name in said.evidence if name != "process"} == {
            "size_px": list(checkers(8).size),
            "prompt_length": 12,
            "palette": ["#ff0000"],
            "wanted_text": "SALE",
            "neighbours": [["a", "ffffffffffffffff", True], ["b", "0", False]],
            "concepts": ["hazard"],
        }

    def test_says_that_there_is_no_embedding_without_an_encoder(self, suite: IsolatedSuite) -> None:
        said = by_scorer(suite.measure([PICTURE]))["behaves"]
        assert (said.measurement, said.reason) == (
            None,
            "The profile has no encoder, so there is no embedding.",
        )

    def test_measures_a_group_in_its_order(self, suite: IsolatedSuite) -> None:
        sizes = [(16, 16), (1, 1), (40, 8)]
        group = [Picture(png(Image.new("RGB", size))) for size in sizes]
        rows = suite.measure([*group, Picture(b"no image"), group[0]])
        seen = [by_scorer((row,))["glances"] for row in rows]
        assert [m.measurement and m.measurement.evidence["size_px"] for m in seen] == [
            [16, 16], [1, 1], [40, 8], None, [16, 16],
        ]  # fmt: skip
        assert seen[3].reason == "The file is not a PNG, JPEG or WebP image."

    def test_asks_for_a_second_opinion_only_where_the_first_is_in_doubt(
        self, suite: IsolatedSuite
    ) -> None:
        for least, has_run in ((0.4, True), (0.6, False)):
            cascades = [Cascade("glances", "contrast", least, 0.9)]
            (row,) = suite.measure([PICTURE], cascades)
            assert ("contrast" in {said.scorer for said in row}) is has_run

    def test_looks_for_near_duplicates(self, suite: IsolatedSuite) -> None:
        seen = suite.look(PICTURE.data)
        assert seen.perceptual_hash is not None
        assert seen.embedding is None
        assert suite.look(b"no image").reason == "The file is not a PNG, JPEG or WebP image."

    @pytest.mark.parametrize(
        ("data", "measures"),
        [
            (png(Image.new("RGB", (1, 1))), True),
            (png(Image.new("L", (64, 64), 90)), True),
            (png(Image.new("RGBA", (64, 64), (255, 0, 0, 90))), True),
            (png(Image.new("CMYK", (64, 64)), format="JPEG"), True),
            (png(Image.new("I;16", (64, 64), 40_000)), True),
            (png(Image.new("1", (8000, 5000))), True),
            (png(Image.new("1", (8001, 5000))), False),
            (
                png(
                    Image.new("RGB", (64, 64)),
                    save_all=True,
                    append_images=[Image.new("RGB", (64, 64), "red")],
                ),
                False,
            ),
            (PICTURE.data[:-40], False),
            (b"", False),
        ],
        ids=["1x1", "grey", "alpha", "cmyk", "16bit", "40mpx", "over", "moving", "cut", "empty"],
    )
    def test_measures_or_holds_an_odd_image(
        self, suite: IsolatedSuite, data: bytes, measures: bool
    ) -> None:
        said = by_scorer(suite.measure([Picture(data, "a mug")]))
        assert (said["glances"].measurement is not None) is measures
        for each in said.values():
            assert each.measurement or each.reason

    @pytest.mark.parametrize(
        "prompt",
        [
            "",
            "mug " * 2500,
            "כוס אדומה על שולחן",
            "☕🔴👩‍👩‍👧‍👦",
            "a красный 赤い κούπα \u202e\u0000\ud800",
        ],
        ids=["empty", "long", "rtl", "emoji", "mixed"],
    )
    def test_takes_an_odd_prompt(self, suite: IsolatedSuite, prompt: str) -> None:
        said = by_scorer(suite.measure([Picture(PICTURE.data, prompt)]))["glances"].measurement
        assert said
        assert said.evidence["prompt_length"] == len(prompt)


class TestMemory:
    def test_that_another_scorer_keeps_does_not_hold_an_innocent_one(self, tmp_path: Path) -> None:
        with installed(tmp_path, "greedy", bad.points(bad.Keeps, bad.Needs)):
            suite = IsolatedSuite(tmp_path, (), limits=replace(UNLIMITED, memory_mb=3000))
            try:
                said = by_scorer(suite.measure([PICTURE]))
            finally:
                suite.close()
        assert said["keeps"].measurement, said["keeps"].reason
        assert said["needs"].measurement, said["needs"].reason


class TestWeights:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        folder = tmp_path / "models" / "one"
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"value": 0.25}))
        return folder

    @pytest.fixture
    def measure(self, tmp_path: Path, model: Path) -> Iterator[Callable[[], Measured]]:
        entry = ScorerEntry("from_file", "one", snapshot.digest_folder(model).sha256, "CC0-1.0")
        with installed(tmp_path / "x", "filed", {"from_file": f"{bad.MODULE}:from_file"}):
            suite = IsolatedSuite(model.parent, (entry,), limits=UNLIMITED)
            yield lambda: by_scorer(suite.measure([PICTURE]))["fromfile"]
            suite.close()

    def test_that_changed_on_disk_hold_until_they_are_restored(
        self, model: Path, measure: Callable[[], Measured]
    ) -> None:
        path = model / "model.json"
        approved = path.read_bytes()
        first = measure()
        assert first.measurement
        assert first.measurement.value == 0.25
        path.write_text(json.dumps({"value": 0.75}))
        for _ in range(2):
            changed = measure()
            assert changed.measurement is None
            assert "has changed since it was approved" in (changed.reason or "")
        path.write_bytes(approved)
        restored = measure()
        assert restored.measurement
        assert restored.measurement.value == 0.25
        # Memory that was mapped from the changed file is gone with its process.
        assert restored.measurement.evidence != first.measurement.evidence

    def test_that_were_only_touched_measure_on(
        self, model: Path, measure: Callable[[], Measured]
    ) -> None:
        first = measure().measurement
        (model / "model.json").touch()
        assert measure().measurement == first

    def test_a_file_beside_them_holds(self, model: Path, measure: Callable[[], Measured]) -> None:
        assert measure().measurement
        (model / "more.json").write_text("{}")
        assert "has changed since it was approved" in (measure().reason or "")


class TestStart:
    def test_refuses_a_misstated_entry(self, tmp_path: Path) -> None:
        entry = ScorerEntry("horoscope", "x", "0" * 64, "CC0-1.0")
        with pytest.raises(ScorerUnavailable, match="no scorer of the kind 'horoscope'"):
            IsolatedSuite(tmp_path, (entry,), limits=UNLIMITED).start()

    def test_refuses_when_it_takes_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(ScorerUnavailable, match=r"did not answer within 0\.05 s"):
            IsolatedSuite(tmp_path, (), limits=Limits(load_s=0.05)).start()


@pytest.mark.processes
class TestOrphans:
    # A suite in a shell's background inherits that SIGINT is ignored; a worker's shell does not.
    SCRIPT = """
import signal, sys
from pathlib import Path
from generation.scoring.isolation import IsolatedSuite
from generation.scoring.process import Limits, Picture
signal.signal(signal.SIGINT, signal.default_int_handler)
suite = IsolatedSuite(Path(sys.argv[1]), (), limits=Limits(3600.0, 240.0))
suite.start()
print(suite._process.pid, flush=True)
suite.measure([Picture(Path(sys.argv[2]).read_bytes())])
"""

    @pytest.mark.parametrize("scorer", [bad.Hangs, bad.Clings])
    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_are_not_left_when_a_worker_ends(
        self, tmp_path: Path, scorer: type[bad.Scripted], by: signal.Signals
    ) -> None:
        image = tmp_path / "image.png"
        image.write_bytes(PICTURE.data)
        with installed(tmp_path / "x", "hanging", bad.points(scorer)):
            worker = subprocess.Popen(
                [sys.executable, "-c", self.SCRIPT, str(tmp_path), str(image)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert worker.stdout
            child = int(worker.stdout.readline())
            time.sleep(0.5)
            assert is_running(child)
            worker.send_signal(by)
            worker.wait(timeout=30)
            worker.stdout.close()
            until = time.monotonic() + 30
            while is_running(child) and time.monotonic() < until:
                time.sleep(0.05)
            assert not is_running(child)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
