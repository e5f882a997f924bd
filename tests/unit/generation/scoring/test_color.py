"""CIEDE2000 gives the published values, and sRGB becomes the CIELAB that colorimeters name."""

import numpy as np
import pytest

from generation.scoring.color import difference, read_hex, to_lab

# Sharma, Wu and Dalal, Color Research and Application 30(1), 2005, table 1: two colors as
# L*, a*, b*, and their difference. The pairs sit on every branch and discontinuity of the formula.
PAIRS = (
    (50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425),
    (50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615),
    (50.0, 2.8361, -74.0200, 50.0, 0.0, -82.7485, 3.4412),
    (50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0000),
    (50.0, -1.1848, -84.8006, 50.0, 0.0, -82.7485, 1.0000),
    (50.0, -0.9009, -85.5211, 50.0, 0.0, -82.7485, 1.0000),
    (50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669),
    (50.0, -1.0, 2.0, 50.0, 0.0, 0.0, 2.3669),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0009, 7.1792),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0010, 7.1792),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0011, 7.2195),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0012, 7.2195),
    (50.0, -0.0010, 2.4900, 50.0, 0.0009, -2.4900, 4.8045),
    (50.0, -0.0010, 2.4900, 50.0, 0.0010, -2.4900, 4.8045),
    (50.0, -0.0010, 2.4900, 50.0, 0.0011, -2.4900, 4.7461),
    (50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065),
    (50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492),
    (50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977),
    (50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.9030),
    (50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535),
    (50.0, 2.5, 0.0, 50.0, 3.1736, 0.5854, 1.0000),
    (50.0, 2.5, 0.0, 50.0, 3.2972, 0.0, 1.0000),
    (50.0, 2.5, 0.0, 50.0, 1.8634, 0.5757, 1.0000),
    (50.0, 2.5, 0.0, 50.0, 3.2592, 0.3350, 1.0000),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
)


class TestDifference:
    @pytest.mark.parametrize("row", PAIRS)
    def test_is_the_published_one_both_ways(self, row: tuple[float, ...]) -> None:
        one, other = np.array(row[:3]), np.array(row[3:6])
        assert float(difference(one, other)) == pytest.approx(row[6], abs=5e-5)
        assert float(difference(other, one)) == pytest.approx(row[6], abs=5e-5)

    def test_of_many_at_once_is_that_of_each(self) -> None:
        table = np.array(PAIRS)
        grid = difference(table[:, None, :3], table[None, :, 3:6])
        assert grid.shape == (34, 34)
        assert np.diag(grid) == pytest.approx(table[:, 6], abs=5e-5)

    def test_is_not_the_plain_distance(self) -> None:
        """The control: the distance of 1976 misses the published values by far."""
        table = np.array(PAIRS)
        plain = np.linalg.norm(table[:, :3] - table[:, 3:6], axis=1)
        assert np.abs(plain - table[:, 6]).max() > 5


class TestToLab:
    @pytest.mark.parametrize(
        ("color", "lab"),
        [
            ("#ffffff", (100.0, 0.0, 0.0)),
            ("#000000", (0.0, 0.0, 0.0)),
            ("#ff0000", (53.24, 80.09, 67.20)),
            ("#00ff00", (87.73, -86.18, 83.18)),
            ("#0000ff", (32.30, 79.19, -107.86)),
            ("#777777", (50.03, 0.0, 0.0)),
        ],
    )
    def test_gives_the_known_values(self, color: str, lab: tuple[float, ...]) -> None:
        assert to_lab(np.array(read_hex(color))) == pytest.approx(np.array(lab), abs=0.05)


class TestReadHex:
    @pytest.mark.parametrize(
        "wrong", ["", "#fff", "285cd6", "#+8+5+d", "#285cd6\n", "#gggggg", "blue"]
    )
    def test_refuses_another_spelling(self, wrong: str) -> None:
        with pytest.raises(ValueError, match="#rrggbb"):
            read_hex(wrong)
