"""Colors as people see them: sRGB to CIELAB, and the difference CIEDE2000."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# sRGB to XYZ for the white point D65. Source: IEC 61966-2-1:1999, section 5.2.
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)
# Where the root of the lightness function becomes a line. Source: CIE 15:2004, section 8.2.1.1.
_EDGE = 6 / 29
_25_7 = 25.0**7
_TURN = 360.0
_HEX = re.compile("#[0-9a-fA-F]{6}", re.ASCII)


def read_hex(text: str) -> tuple[int, int, int]:
    """Read a color as brands write them.

    >>> read_hex("#285CD6")
    (40, 92, 214)

    Raises: ValueError if it is no "#rrggbb".
    """
    if not _HEX.fullmatch(text):
        message = f"a color is written #rrggbb, not '{text[:20]}'"
        raise ValueError(message)
    red, green, blue = (int(text[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue


def to_lab(rgb: "NDArray[np.generic]") -> "NDArray[np.float64]":
    """Turn sRGB levels 0..255, (..., 3), into CIELAB (D65), (..., 3), float64.

    L* is 0..100, a* and b* about -110..110. Source: IEC 61966-2-1:1999, section 5.2, and CIE
    15:2004, section 8.2.1.1.
    """
    share = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 - the standard's bend
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > _EDGE**3, np.cbrt(ratio), ratio / (3 * _EDGE**2) + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def difference(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return CIEDE2000 of CIELAB colors (..., 3), which broadcast; 1 is just noticeable.

    Source: Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and
    Application 30(1), 2005, equations 2 to 22, with all weights 1.
    """
    pair = _Pair.of(one, other)
    weight = (
        1
        - 0.17 * _cos(pair.mean_hue - 30)
        + 0.24 * _cos(2 * pair.mean_hue)
        + 0.32 * _cos(3 * pair.mean_hue + 6)
        - 0.20 * _cos(4 * pair.mean_hue - 63)
    )
    turn = 30 * np.exp(-(((pair.mean_hue - 275) / 25) ** 2))
    seventh = pair.mean_chroma**7
    rotation = -np.sin(np.radians(2 * turn)) * 2 * np.sqrt(seventh / (seventh + _25_7))
    off_middle = (pair.mean_light - 50) ** 2
    by_light = pair.light / (1 + 0.015 * off_middle / np.sqrt(20 + off_middle))
    by_chroma = pair.chroma / (1 + 0.045 * pair.mean_chroma)
    by_hue = pair.hue / (1 + 0.015 * pair.mean_chroma * weight)
    squared = by_light**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue
    result: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0.0))
    return result


@dataclass(frozen=True)
class _Pair:
    """What equations 2 to 14 make of two colors: differences, and means, of each attribute."""

    light: "NDArray[np.float64]"
    chroma: "NDArray[np.float64]"
    hue: "NDArray[np.float64]"
    mean_light: "NDArray[np.float64]"
    mean_chroma: "NDArray[np.float64]"
    mean_hue: "NDArray[np.float64]"

    @classmethod
    def of(cls, one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> "_Pair":
        """Compute them; where a color is gray, the hue of the other counts."""
        chromas = np.hypot(one[..., 1], one[..., 2]), np.hypot(other[..., 1], other[..., 2])
        seventh = ((chromas[0] + chromas[1]) / 2) ** 7
        stretch = 1 + 0.5 * (1 - np.sqrt(seventh / (seventh + _25_7)))
        a_one, a_other = stretch * one[..., 1], stretch * other[..., 1]
        c_one, c_other = np.hypot(a_one, one[..., 2]), np.hypot(a_other, other[..., 2])
        h_one = np.degrees(np.arctan2(one[..., 2], a_one)) % _TURN
        h_other = np.degrees(np.arctan2(other[..., 2], a_other)) % _TURN
        is_gray = c_one * c_other == 0
        # The shorter way round the circle; half a turn counts as it stands.
        way, total = h_other - h_one, h_one + h_other
        is_far = np.abs(way) > _TURN / 2
        way = np.where(is_far, way - np.sign(way) * _TURN, way)
        mean = np.where(is_far, (total + _TURN) / 2 % _TURN, total / 2)
        return cls(
            light=other[..., 0] - one[..., 0],
            chroma=c_other - c_one,
            hue=2 * np.sqrt(c_one * c_other) * np.sin(np.radians(np.where(is_gray, 0.0, way)) / 2),
            mean_light=(one[..., 0] + other[..., 0]) / 2,
            mean_chroma=(c_one + c_other) / 2,
            mean_hue=np.where(is_gray, total, mean),
        )


def _cos(degrees: "NDArray[np.float64]") -> "NDArray[np.float64]":
    result: NDArray[np.float64] = np.cos(np.radians(degrees))
    return result
