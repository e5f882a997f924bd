"""The corpus is the same however often rendering stopped, and its latents can be read back."""

from pathlib import Path

import numpy as np
import pytest

from generation.packs.training import corpus
from generation.packs.world.scene import is_held_out

COUNT, CHUNK = 40, 16


@pytest.fixture(scope="module", autouse=True)
def _small() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "_FITTED_ON", 60)
        patch.setattr(corpus, "_CHUNK", CHUNK)
        yield


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> corpus.Corpus:
    return corpus.render(tmp_path_factory.mktemp("corpus"), count=COUNT, seed=3)


class TestRender:
    def test_goes_on_where_it_stopped(
        self, rendered: corpus.Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Stop(Exception):
            pass

        def stop_after(count: int) -> None:
            drawn = iter(range(count))

            def draw(seed: int, index: int) -> object:
                if next(drawn, None) is None:
                    raise Stop
                return original(seed, index)

            monkeypatch.setattr(corpus, "_picture", draw)

        original = corpus._picture
        stop_after(60 + CHUNK + 3)
        with pytest.raises(Stop):
            corpus.render(tmp_path, count=COUNT, seed=3)
        # What a crash between two writes leaves: scenes of a chunk that was not counted.
        with (tmp_path / "scenes.jsonl").open("a") as lines:
            lines.write('{"half of a')
        assert corpus.Corpus(tmp_path).count == CHUNK
        monkeypatch.setattr(corpus, "_picture", original)
        again = corpus.render(tmp_path, count=COUNT, seed=3)
        assert (np.asarray(again.latents) == np.asarray(rendered.latents)).all()
        assert list(again.read_scenes()) == list(rendered.read_scenes())

    def test_lists_as_many_scenes_as_latents_and_none_that_is_held_out(
        self, rendered: corpus.Corpus
    ) -> None:
        scenes = list(rendered.read_scenes())
        assert len(scenes) == len(rendered.latents) == rendered.count == COUNT
        assert not [each for each in scenes if is_held_out(each)]
        assert list(rendered.read_scenes(30)) == scenes[30:]


class TestBasis:
    def test_can_be_written_and_read(self, rendered: corpus.Corpus, tmp_path: Path) -> None:
        # A transposed array was once written as its memory lay, and read back as noise.
        again = corpus.read_basis(rendered.folder / "basis.safetensors")
        assert np.allclose(again.rows @ again.inverse, np.eye(corpus.CHANNELS), atol=1e-4)

    def test_decodes_to_nearly_the_picture(self, rendered: corpus.Corpus) -> None:
        picture = corpus.picture(3, 5)[None]
        decoded = rendered.basis.decode(rendered.basis.encode(picture))
        error = decoded - (picture / 127.5 - 1)
        assert 10 * np.log10(4 / (error**2).mean()) > 24

    def test_scales_the_latents_to_one(self, rendered: corpus.Corpus) -> None:
        assert 0.8 < np.asarray(rendered.latents, np.float32).std() < 1.2
