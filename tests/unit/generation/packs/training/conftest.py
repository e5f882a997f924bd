"""A working folder in which every part of an image model is there, and hardly learned."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from generation.packs.training import autoencoder, corpus, denoiser, shapes, text


@pytest.fixture(scope="package")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "_FITTED_ON", 60)
        patch.setattr(denoiser, "_CHUNK", 16)
        patch.setattr(denoiser, "_LOG_EVERY", 1)
        patch.setattr(text, "_BATCH", 8)
        patch.setattr(autoencoder, "_BATCH", 2)
        patch.setattr(shapes, "LAYERS", 2)
        corpus.render(folder / "corpus", count=32, seed=3)
        text.train(folder / "text", seed=3, steps=2)
        yield folder
