"""Small pictures of an image as it forms: latents to colors by one matrix, which each model learns.

A model's first images teach it: their last latents beside their pixels, by least squares. No
constants are kept for any family, and a model that has made no image yet shows none. Nothing is
computed for an image that nobody watches, and nothing here touches the image itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import structlog
import torch

from generation.engines.spec import RunSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE_MOST_PX: Final = 128
EVERY_S: Final = 0.5
# From how many images a model learns, and how much it doubts a color that it saw little of.
IMAGES_LEARNED: Final = 4
RIDGE: Final = 1e-3


class Screen(Protocol):
    """Where previews go; both are asked in the thread that renders, so both return at once."""

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks at this moment."""
        ...

    def show(self, step: int, pixels: "NDArray[np.uint8]") -> None:
        """Take a preview after so many steps; pixels: (height, width, 3), RGB."""
        ...


log = structlog.get_logger(__name__)
_SCREEN: ContextVar[Screen | None] = ContextVar("screen", default=None)


@contextmanager
def shown_on(screen: Screen) -> Iterator[None]:
    """Show what is rendered in this block, in this thread."""
    token = _SCREEN.set(screen)
    try:
        yield
    finally:
        _SCREEN.reset(token)


class Colors:
    """What one autoencoder's latents look like: sums of least squares, and the matrix from them."""

    def __init__(self) -> None:
        self._images = 0
        self._squares: torch.Tensor | None = None
        self._products: torch.Tensor | None = None
        self._matrix: torch.Tensor | None = None
        self._pending: torch.Tensor | None = None

    @property
    def is_known(self) -> bool:
        """Whether an image taught it anything."""
        return self._matrix is not None

    def remember(self, latents: torch.Tensor) -> None:
        """Keep an image's last latents until its pixels are known, if there is more to learn."""
        self._pending = latents if self._images < IMAGES_LEARNED else None

    def learn(self, pixels: "NDArray[np.uint8]") -> None:
        """Learn from the remembered latents and what became of them."""
        latents, self._pending = self._pending, None
        grid = None if latents is None else _grid(latents, pixels.shape[0], pixels.shape[1])
        if latents is None or grid is None:
            return
        given = _with_one(_vectors(latents).to("cpu", torch.float64))
        wanted = torch.from_numpy(_middles(pixels, *grid)).to(torch.float64) / 255
        if self._squares is None or self._products is None:
            self._squares = torch.zeros(given.shape[1], given.shape[1], dtype=torch.float64)
            self._products = torch.zeros(given.shape[1], 3, dtype=torch.float64)
        self._squares += given.T @ given
        self._products += given.T @ wanted
        doubt = RIDGE * self._squares.diagonal().mean() * torch.eye(len(self._squares))
        self._matrix = torch.linalg.solve(self._squares + doubt, self._products).float()
        self._images += 1

    def paint(self, latents: torch.Tensor, height: int, width: int) -> "NDArray[np.uint8] | None":
        """Return a small picture of latents; None if these have no grid, or nothing is known."""
        grid = _grid(latents, height, width)
        if self._matrix is None or grid is None:
            return None
        vectors = _vectors(latents)
        if vectors.shape[1] + 1 != len(self._matrix):
            return None
        self._matrix = self._matrix.to(vectors.device)
        colors = (vectors.float() @ self._matrix[:-1] + self._matrix[-1]).clamp(0, 1)
        picture = colors.view(1, *grid, 3).permute(0, 3, 1, 2)
        if max(grid) > SIDE_MOST_PX:
            shrink = SIDE_MOST_PX / max(grid)
            size = [max(1, round(side * shrink)) for side in grid]
            picture = torch.nn.functional.interpolate(picture, size=size, mode="area")
        small = (picture[0].permute(1, 2, 0) * 255).round().to("cpu", torch.uint8)
        return np.ascontiguousarray(small.numpy())


_COLORS: WeakKeyDictionary[Any, Colors] = WeakKeyDictionary()


def colors_of(pipeline: Any) -> Colors:
    """Return what is known of a pipeline's latents; pipelines with one autoencoder share it."""
    return _COLORS.setdefault(pipeline.vae, Colors())


def learn(pipeline: Any, pixels: "NDArray[np.uint8]") -> None:
    """Let a model learn from an image that it made; what fails here costs no image."""
    try:
        colors_of(pipeline).learn(pixels)
    except Exception:
        log.exception("Unable to learn how latents look")


class Sketch:
    """One image while it forms: shows it on the thread's screen, at most every `EVERY_S`."""

    def __init__(self, pipeline: Any, spec: RunSpec) -> None:
        self._scheduler = pipeline.scheduler
        self._spec = spec
        self._colors = colors_of(pipeline)
        self._screen = _SCREEN.get()
        self._before: torch.Tensor | None = None
        self._next_at = 0.0

    def after_step(self, step: int, latents: torch.Tensor) -> None:
        """Show what the image is about to become; what fails here costs no image."""
        try:
            self._show(step, latents)
        except Exception:
            log.exception("Unable to show a preview")
            self._screen = None

    def _show(self, step: int, latents: torch.Tensor) -> None:
        """Show it if somebody watches, and if it is time; the last latents are for learning."""
        if step >= self._spec.steps_taken:
            self._colors.remember(latents)
            return
        if self._screen is None or not self._colors.is_known or not self._screen.is_watched:
            self._before = None
            return
        before, self._before = self._before, latents
        if before is None or monotonic() < self._next_at:
            return
        self._next_at = monotonic() + EVERY_S
        guess = self._guess(before, latents)
        pixels = self._colors.paint(guess, self._spec.height, self._spec.width)
        if pixels is not None:
            self._screen.show(step, pixels)

    def _guess(self, before: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Follow the direction of the last step to where no noise is left.

        Source: arXiv:2403.03206, section 2: along a straight flow, x = x_t - sigma_t * v.
        """
        at = self._scheduler.step_index
        sigma, sigma_before = (self._scheduler.sigmas[i].to(latents) for i in (at, at - 1))
        return latents - sigma * (latents - before) / (sigma - sigma_before)


def _vectors(latents: torch.Tensor) -> torch.Tensor:
    """Return (places, channels) from (1, C, h, w), (1, C, 1, h, w) or packed (1, places, C)."""
    if latents.ndim == 3:  # noqa: PLR2004  a packed sequence
        return latents[0]
    return latents[0].flatten(1).T


def _grid(latents: torch.Tensor, height: int, width: int) -> tuple[int, int] | None:
    """Return the rows and columns of the places; None if they are not the image's alone."""
    if latents.ndim > 3:  # noqa: PLR2004  not packed: it says itself
        return int(latents.shape[-2]), int(latents.shape[-1])
    places = int(latents.shape[1])
    rows = max(1, round((places * height / width) ** 0.5))
    return (rows, places // rows) if rows * (places // rows) == places else None


def _middles(pixels: "NDArray[np.uint8]", rows: int, columns: int) -> "NDArray[np.uint8]":
    """Return the pixel in the middle of each place: (places, 3)."""
    y = ((np.arange(rows) + 0.5) * pixels.shape[0] / rows).astype(int)
    x = ((np.arange(columns) + 0.5) * pixels.shape[1] / columns).astype(int)
    return np.ascontiguousarray(pixels[y][:, x].reshape(-1, 3))


def _with_one(vectors: torch.Tensor) -> torch.Tensor:
    return torch.cat([vectors, torch.ones(len(vectors), 1, dtype=vectors.dtype)], dim=1)
