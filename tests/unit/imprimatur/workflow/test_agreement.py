"""The figures of calibration, against values worked out by other means."""

import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imprimatur.workflow import calibration, tallies
from imprimatur.workflow.agreement import AtThreshold, auc, stability_index
from imprimatur.workflow.past import PastImage
from imprimatur.workflow.rejudge import Rule, Rules

from generation.assets.selectors import PastAsset, PastScore
from governance.review.records import Heard

BRAND = UUID(int=1)
VALUES = st.lists(st.integers(0, 20).map(float), min_size=10, max_size=30)


class TestAuc:
    @given(VALUES, VALUES)
    def test_is_the_share_of_pairs_in_the_right_order(
        self, approved: list[float], rejected: list[float]
    ) -> None:
        pairs = [(a > r) + (a == r) / 2 for a in approved for r in rejected]
        found = auc(approved, rejected)
        assert found is not None
        assert found.value == pytest.approx(sum(pairs) / len(pairs))
        assert 0 <= found.low <= found.value <= found.high <= 1

    @given(VALUES, VALUES)
    def test_has_delong_s_variance_by_its_definition(
        self, approved: list[float], rejected: list[float]
    ) -> None:
        def beats(a: float, r: float) -> float:
            return (a > r) + (a == r) / 2

        def variance(parts: list[float]) -> float:
            mean = sum(parts) / len(parts)
            return sum((part - mean) ** 2 for part in parts) / (len(parts) - 1)

        m, n = len(approved), len(rejected)
        over = [sum(beats(a, r) for r in rejected) / n for a in approved]
        under = [sum(beats(a, r) for a in approved) / m for r in rejected]
        spread = 1.959963984540054 * math.sqrt(variance(over) / m + variance(under) / n)
        found = auc(approved, rejected)
        assert found is not None
        assert found.low == pytest.approx(max(0.0, found.value - spread), abs=1e-9)

    def test_of_too_few_decisions_is_no_number(self) -> None:
        assert auc([1.0] * 9, [0.0] * 100) is None
        assert auc([1.0] * 100, [0.0] * 9) is None

    def test_of_a_scorer_that_sorts_them_is_one_and_of_its_reverse_nothing(self) -> None:
        high, low = [1.0 + n for n in range(10)], [-1.0 - n for n in range(10)]
        sorted_well, reversed_ = auc(high, low), auc(low, high)
        assert sorted_well is not None
        assert reversed_ is not None
        assert (sorted_well.value, reversed_.value) == (1.0, 0.0)


class TestStabilityIndex:
    def test_grows_with_the_shift(self) -> None:
        base = [n / 200 for n in range(200)]
        same, little, much = (
            stability_index(base, [value + by for value in base]) for by in (0.0, 0.03, 0.6)
        )
        assert same is not None
        assert little is not None
        assert much is not None
        assert same == 0 < little < 0.25 < much

    def test_of_too_few_values_is_no_number(self) -> None:
        assert stability_index([0.5] * 29, [0.5] * 100) is None

    def test_of_equal_values_is_nothing(self) -> None:
        assert stability_index([0.5] * 40, [0.5] * 40) == 0


class TestAtThreshold:
    @pytest.mark.parametrize(
        ("at", "precision", "recall"),
        [
            (AtThreshold(4, 5, 3), 0.75, 0.6),
            (AtThreshold(0, 5, 0), None, 0.0),
            (AtThreshold(4, 0, 0), 0.0, None),
        ],
    )
    def test_is_none_where_there_is_nothing_to_share(
        self, at: AtThreshold, precision: float | None, recall: float | None
    ) -> None:
        assert (at.precision, at.recall) == (precision, recall)


def image(value: float | None, first: str | None = None, **changes: Any) -> PastImage:
    """Return an image whose sharpness had that value under a threshold of 0.5."""
    given: dict[str, Any] = {"version": "1", "month": 11, "emergency": False, **changes}
    verdict = "hold" if value is None else "pass" if value >= 0.5 else "flag"
    score = PastScore("sharpness", given["version"], "", value, 0.5, verdict)
    made_at = datetime(2026, given["month"], 5, tzinfo=UTC)
    heard = None if first is None else Heard("open", first, made_at, given["emergency"])
    asset = PastAsset(UUID(int=2), UUID(int=3), made_at, (score,))
    return PastImage(asset, "mug", "Mug", "", heard)


def one(images: list[PastImage], threshold: float = 0.5) -> calibration.Calibration:
    """Calibrate the one scorer."""
    rules = Rules({"sharpness": Rule(threshold, "refuse")})
    (found,) = calibration.calibrate(BRAND, images, lambda *_: rules, 1).scorers
    return found


class TestCalibrate:
    def test_compares_first_decisions_with_the_threshold_in_force(self) -> None:
        images = [image(0.9, "approve")] * 12 + [image(0.2, "reject")] * 9
        images += [image(0.7, "request_changes")] * 3 + [image(0.3, "approve_with_changes")] * 2
        found = one(images)
        assert (found.approved, found.rejected) == (14, 12)
        assert found.at == AtThreshold(stopped=11, rejected=12, both=9)
        assert found.auc is not None
        assert found.auc.value == pytest.approx((12 * 12 + 2 * 9) / (14 * 12))
        moved = one(images, threshold=0.8)
        assert moved.at == AtThreshold(stopped=14, rejected=12, both=12)

    def test_says_nothing_of_too_few(self) -> None:
        found = one([image(0.9, "approve")] * 50 + [image(0.1, "reject")] * 9)
        assert found.auc is None
        assert (found.approved, found.rejected) == (50, 9)

    def test_leaves_out_emergencies_and_what_nobody_decided(self) -> None:
        rules = Rules({"sharpness": Rule(0.5, "refuse")})
        images = [image(0.9, "approve", emergency=True), image(0.9), image(0.9, "approve")]
        found = calibration.calibrate(BRAND, images, lambda *_: rules, 1)
        assert (found.images, found.decided, found.emergencies) == (3, 1, 1)
        assert found.scorers[0].approved == 1

    def test_keeps_versions_apart_and_says_how_many_it_left_out(self) -> None:
        found = one([image(0.9, "approve", version="2"), image(0.9, "approve")])
        assert (found.version, found.images, found.older) == ("2", 1, 1)

    def test_shows_drift_between_months(self) -> None:
        steady = [image(n / 100, month=9) for n in range(60)]
        again = [image(n / 100, month=10) for n in range(60)]
        shifted = [image(0.4 + n / 100, month=11) for n in range(60)]
        september, october, november = one([*shifted, *again, *steady]).months
        assert (september.drift, october.drift) == (None, 0)
        assert november.drift is not None
        assert november.drift > 0.25

    def test_of_nothing_is_nothing(self) -> None:
        found = calibration.calibrate(BRAND, [], None, None)
        assert (found.images, found.scorers) == (0, ())


class TestTally:
    def test_counts_the_first_word_of_a_review_that_is_open(self) -> None:
        rules = Rules({"sharpness": Rule(0.5, "refuse")})
        counted = tallies.tally([image(0.3, "approve"), image(0.3)], lambda *_: rules)
        assert counted["people"]["approved_now_refuse"] == counted["people"]["approved"] == 1
        assert counted["people"]["undecided"] == 1
