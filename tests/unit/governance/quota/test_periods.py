import doctest
from datetime import UTC, datetime

import pytest

from governance.quota import guards, periods


class TestPeriods:
    def test_keep_the_promises_of_their_docstrings(self) -> None:
        assert doctest.testmod(periods).failed == 0

    def test_refuse_a_time_without_a_zone(self) -> None:
        with pytest.raises(ValueError, match="zone"):
            periods.period_of(datetime(2026, 11, 1))  # noqa: DTZ001

    def test_change_at_midnight_utc(self) -> None:
        last = datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC)
        assert periods.period_of(last) == "2026-11"
        assert periods.period_of(datetime(2026, 12, 1, tzinfo=UTC)) == "2026-12"


class TestGuards:
    def test_have_names_that_fit_every_catalogue_and_differ(self) -> None:
        names = [
            piece.name
            for g in guards.GUARDS
            for v in ("postgresql", "sqlite")
            for piece in g.pieces(v)
        ]
        assert max(map(len, names)) <= 60
        for vendor in ("postgresql", "sqlite"):
            here = [piece.name for g in guards.GUARDS for piece in g.pieces(vendor)]
            assert len(here) == len(set(here))
