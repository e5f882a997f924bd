"""Renders the training scenes once, as latents and words on disk; from a seed, resumable.

A latent is 16 numbers for 8 x 8 pixels: the closed form that the autoencoder's encoder learns.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generation.packs.world import draw
from generation.packs.world.scene import Scene, sample
from generation.weights import runtime

SIDE_PX = 128
PATCH_PX = 8
CHANNELS = 16
_FITTED_ON = 3000
_CHUNK = 1024


@dataclass(frozen=True)
class Basis:
    """The linear map between patches of pixels and latents.

    rows: (16, 192) float32, for pixels in -1..1 ordered (row, column, channel) of a patch.
    inverse: (192, 16). mean: (192,). Latents of the world have a standard deviation of one in all.
    """

    rows: NDArray[np.float32]
    inverse: NDArray[np.float32]
    mean: NDArray[np.float32]

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, 16, H/8, W/8) for (N, H, W, 3)."""
        patches = _patches(images)
        return np.ascontiguousarray(((patches - self.mean) @ self.rows.T).transpose(0, 3, 1, 2))

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, H, W, 3) in -1..1: the best linear picture of the latents."""
        patches = latents.transpose(0, 2, 3, 1) @ self.inverse.T + self.mean
        count, down, across, _ = patches.shape
        cells = patches.reshape(count, down, across, PATCH_PX, PATCH_PX, 3)
        return np.ascontiguousarray(
            cells.transpose(0, 1, 3, 2, 4, 5).reshape(count, down * PATCH_PX, across * PATCH_PX, 3)
        )

    def save(self, path: Path) -> None:
        """Write the three arrays."""
        runtime.load_library("safetensors.numpy").save_file(
            {"rows": self.rows, "inverse": self.inverse, "mean": self.mean}, path
        )


def read_basis(path: Path) -> Basis:
    """Read what `Basis.save` wrote."""
    return Basis(**runtime.load_library("safetensors.numpy").load_file(path))


def fit(images: NDArray[np.uint8]) -> Basis:
    """Fit the basis: principal components, each scaled by the root of its deviation.

    Unscaled, the mean color would outweigh everything; wholly whitened, noise would.
    """
    patches = _patches(images).reshape(-1, PATCH_PX * PATCH_PX * 3).astype(np.float64)
    mean = patches.mean(0)
    values, vectors = np.linalg.eigh(np.cov((patches - mean).T))
    order = np.argsort(values)[::-1][:CHANNELS]
    deviation = np.sqrt(values[order])
    components = vectors[:, order].T
    # An eigenvector's sign is arbitrary and depends on the library; fix it.
    components *= np.sign(components.sum(1, keepdims=True))
    gain = deviation**-0.5
    gain /= np.sqrt(np.mean((deviation * gain) ** 2))
    return Basis(
        rows=np.ascontiguousarray(components * gain[:, None], dtype=np.float32),
        # safetensors writes the memory as it lies, so a transposed view would be garbled.
        inverse=np.ascontiguousarray((components / gain[:, None]).T, dtype=np.float32),
        mean=mean.astype(np.float32),
    )


def _patches(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cut (N, H, W, 3) into (N, H/8, W/8, 192) in -1..1."""
    count, height, width, _ = images.shape
    down, across = height // PATCH_PX, width // PATCH_PX
    cells = images.reshape(count, down, PATCH_PX, across, PATCH_PX, 3).transpose(0, 1, 3, 2, 4, 5)
    return cells.reshape(count, down, across, -1).astype(np.float32) / 127.5 - 1


@dataclass(frozen=True)
class Corpus:
    """A folder of rendered scenes, which may still be growing."""

    folder: Path

    @property
    def count(self) -> int:
        """How many scenes are there by now."""
        return int((self.folder / "count").read_text())

    @cached_property
    def latents(self) -> NDArray[np.float16]:
        """(N, 16, 16, 16), N as planned; only the first `count` are rendered."""
        latents: NDArray[np.float16] = np.load(self.folder / "latents.npy", mmap_mode="r")
        return latents

    @cached_property
    def basis(self) -> Basis:
        """The map that made the latents."""
        return read_basis(self.folder / "basis.safetensors")

    def read_scenes(self, start: int = 0) -> Iterator[Scene]:
        """Yield the scenes in order from the one at `start`."""
        with (self.folder / "scenes.jsonl").open(encoding="utf-8") as lines:
            for index, line in enumerate(lines):
                if index >= start:
                    yield Scene(**json.loads(line))


def render(folder: Path, *, count: int, seed: int) -> Corpus:
    """Render `count` training scenes into `folder`; a second call renders what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    basis_path, count_path = folder / "basis.safetensors", folder / "count"
    if not basis_path.exists():
        fit(np.stack([_picture(seed, index)[1] for index in range(_FITTED_ON)])).save(basis_path)
        count_path.write_text("0")
    corpus = Corpus(folder)
    shape = (count, CHANNELS, SIDE_PX // PATCH_PX, SIDE_PX // PATCH_PX)
    latents = _open(folder / "latents.npy", shape)
    _forget_uncounted(folder / "scenes.jsonl", corpus.count)
    for start in range(corpus.count, count, _CHUNK):
        end = min(count, start + _CHUNK)
        drawn = [_picture(seed, index) for index in range(start, end)]
        latents[start:end] = corpus.basis.encode(np.stack([pixels for _, pixels in drawn]))
        latents.flush()
        with (folder / "scenes.jsonl").open("a", encoding="utf-8") as lines:
            lines.writelines(f"{json.dumps(asdict(scene))}\n" for scene, _ in drawn)
        count_path.write_text(str(end))
    return corpus


def _forget_uncounted(path: Path, count: int) -> None:
    """Drop the scenes that a process wrote and did not live to count."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) > count:
            path.write_text("".join(lines[:count]), encoding="utf-8")


def picture(seed: int, index: int) -> NDArray[np.uint8]:
    """Draw a training scene's pixels again, (128, 128, 3)."""
    return _picture(seed, index)[1]


def _picture(seed: int, index: int) -> tuple[Scene, NDArray[np.uint8]]:
    """Draw the scene of a number; each has its own generator, so that any can be made again."""
    rng = random.Random(f"{seed}/{index}")  # noqa: S311  (a lot, not a secret)
    scene = sample(rng)
    return scene, np.asarray(draw.draw(scene, SIDE_PX, rng))


def _open(path: Path, shape: tuple[int, ...]) -> Any:
    """Open the latents for writing, or make the file."""
    if path.exists():
        return np.load(path, mmap_mode="r+")
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
