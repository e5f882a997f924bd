"""The outlines of a picture, in whole numbers only: the same map on every machine, for ever.

A ControlNet for edges is trained on these maps and fed with them, so a change of any number here is
a new preprocessor with a new name.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What recipes call this preprocessor.
NAME: Final = "edges/1"

# Sums of the absolute Sobel responses (0 to 2040): above HIGH is an edge, above LOW if it touches
# one.
_LOW = 80
_HIGH = 160
_BINOMIAL = (1, 4, 6, 4, 1)
# tan(22.5 degrees), times 2 ** 15.
_TAN_22 = 13573
_ONE = 1 << 15


def edge_map(pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Draw white edges on black.

    pixels: (height, width, 3), uint8, RGB. Returns: the same shape, each value 0 or 255.
    Source: J. Canny, A Computational Approach to Edge Detection, 1986, with a binomial blur and the
    sum of absolute derivatives in place of their root.

    >>> picture = np.zeros((8, 8, 3), np.uint8)
    >>> edge_map(picture).max(), edge_map(np.pad(picture, ((0, 0), (0, 8), (0, 0)),
    ...          constant_values=255)).max()
    (np.uint8(0), np.uint8(255))
    """
    slopes = [_derive(_blur(pixels[:, :, color].astype(np.int32))) for color in range(3)]
    strengths = np.stack([np.abs(across) + np.abs(down) for across, down in slopes])
    # The color that changes most decides: red beside blue of equal light is an edge too.
    most = strengths.argmax(axis=0)[None]
    strength = np.take_along_axis(strengths, most, axis=0)[0]
    across, down = (
        np.take_along_axis(np.stack(slope), most, axis=0)[0] for slope in zip(*slopes, strict=True)
    )
    ridges = np.where(_is_ridge(strength, across, down), strength, 0)
    edges = _connect(ridges > _HIGH, ridges > _LOW)
    return np.repeat(edges[:, :, None].astype(np.uint8) * 255, 3, axis=2)


def _blur(channel: "NDArray[np.int32]") -> "NDArray[np.int32]":
    """Smooth with a binomial kernel of five by five; the border is continued."""
    height, width = channel.shape
    padded = np.pad(channel, 2, mode="edge")
    rows = np.zeros((height + 4, width), np.int32)
    for place, weight in enumerate(_BINOMIAL):
        rows += weight * padded[:, place : place + width]
    both = np.zeros((height, width), np.int32)
    for place, weight in enumerate(_BINOMIAL):
        both += weight * rows[place : place + height]
    return (both + 128) >> 8


def _derive(channel: "NDArray[np.int32]") -> tuple["NDArray[np.int32]", "NDArray[np.int32]"]:
    """Return the Sobel responses across and down."""
    height, width = channel.shape
    padded = np.pad(channel, 1, mode="edge")
    smooth_down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return smooth_down[:, 2:] - smooth_down[:, :width], smooth_across[2:] - smooth_across[:height]


def _is_ridge(
    strength: "NDArray[np.int32]", across: "NDArray[np.int32]", down: "NDArray[np.int32]"
) -> "NDArray[np.bool_]":
    """Tell which pixels are no weaker than both neighbors along their gradient.

    Of two equal neighbors the one that comes second is dropped, so that lines stay thin.
    """
    height, width = strength.shape
    padded = np.pad(strength, 1)

    def beats(row: int, column: int) -> "NDArray[np.bool_]":
        before = padded[1 - row : 1 - row + height, 1 - column : 1 - column + width]
        after = padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        return (strength > before) & (strength >= after)

    along, upright = np.abs(across).astype(np.int64), np.abs(down).astype(np.int64)
    is_flat = upright * _ONE <= along * _TAN_22
    is_steep = along * _ONE <= upright * _TAN_22
    falls = (across >= 0) == (down >= 0)
    return np.select(
        [is_flat, is_steep, falls], [beats(0, 1), beats(1, 0), beats(1, 1)], beats(1, -1)
    )


def _connect(strong: "NDArray[np.bool_]", weak: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    """Follow weak edges from strong ones; each pixel is visited once."""
    height, width = strong.shape
    # A border of one pixel that is no edge makes every neighbor's index valid.
    open_to_visit = np.pad(weak | strong, 1).ravel()
    stride = width + 2
    steps = np.array([r * stride + c for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c])
    found = np.pad(strong, 1).ravel()
    frontier = np.flatnonzero(found)
    open_to_visit[frontier] = False
    while frontier.size:
        near = np.unique(frontier[:, None] + steps)
        frontier = near[open_to_visit[near]]
        open_to_visit[frontier] = False
        found[frontier] = True
    return found.reshape(height + 2, stride)[1:-1, 1:-1]
