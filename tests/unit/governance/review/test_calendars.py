"""Business hours, against a counter that looks at every single minute."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.kernel.errors import InvalidInput
from governance.review import calendars

MINUTE = timedelta(minutes=1)
OFFICE = {
    "timezone": "Europe/Berlin",
    "week": {day: [["09:00", "12:30"], ["13:00", "17:30"]] for day in calendars.DAYS[:5]},
    "holidays": ["2026-12-25"],
}
ALWAYS_DAYS = {day: [["00:00", "24:00"]] for day in calendars.DAYS}
# Zones that jump by an hour, by half an hour, at midnight, in the south; and over a whole day.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kolkata",
    "UTC",
)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@st.composite
def _hours(draw: st.DrawFn) -> list[list[str]]:
    edges = sorted(draw(st.lists(st.integers(0, 96), max_size=6, unique=True)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [[_clock(opens * 15), _clock(closes * 15)] for opens, closes in pairs]


@st.composite
def _calendars(draw: st.DrawFn) -> dict[str, Any]:
    week = {day: draw(_hours()) for day in calendars.DAYS}
    week["wed"] = week["wed"] or [["08:00", "16:00"]]
    days = st.dates(date(2026, 3, 1), date(2026, 11, 30)).map(date.isoformat)
    return {
        "timezone": draw(st.sampled_from(ZONES)),
        "week": week,
        "holidays": draw(st.lists(days, max_size=4, unique=True)),
    }


def _by_the_minute(calendar: dict[str, Any], start: datetime, minutes: int) -> datetime:
    """Look at every minute: an opening has begun, or is over, once that day's clock showed it."""
    zone = ZoneInfo(calendar["timezone"])
    day, latest, counted = date.min, "", 0
    at = start - timedelta(days=2)
    while at < start + timedelta(days=90):
        local = at.astimezone(zone)
        if local.date() > day:
            day, latest = local.date(), ""
        if local.date() == day:
            latest = max(latest, local.strftime("%H:%M"))
        hours = calendar["week"].get(calendars.DAYS[day.weekday()], [])
        is_open = day.isoformat() not in calendar["holidays"] and any(
            opens <= latest < closes for opens, closes in hours
        )
        at += MINUTE
        counted += is_open and at > start
        if counted == minutes:
            return at
    raise AssertionError(f"{minutes} minutes were not reached from {start}")


class TestAddBusinessMinutes:
    @settings(max_examples=60, deadline=None)
    @given(
        _calendars(),
        st.integers(0, 235 * 24 * 60).map(
            lambda minutes: datetime(2026, 3, 20, tzinfo=UTC) + minutes * MINUTE
        ),
        st.integers(1, 900),
    )
    @example(  # Berlin loses an hour in this night
        {"timezone": "Europe/Berlin", "week": ALWAYS_DAYS, "holidays": []},
        datetime(2026, 3, 28, 22, 0, tzinfo=UTC),
        900,
    )
    @example(  # and has one twice in this one
        {"timezone": "Europe/Berlin", "week": ALWAYS_DAYS, "holidays": []},
        datetime(2026, 10, 24, 21, 0, tzinfo=UTC),
        900,
    )
    @example(  # an opening that begins within the lost hour
        {
            "timezone": "Europe/Berlin",
            "week": {"sun": [["02:30", "04:00"]], "wed": [["08:00", "16:00"]]},
            "holidays": [],
        },
        datetime(2026, 3, 28, 22, 0, tzinfo=UTC),
        100,
    )
    @example(  # Cairo's day begins at 01:00 when its clock goes forward at midnight
        {"timezone": "Africa/Cairo", "week": ALWAYS_DAYS, "holidays": []},
        datetime(2026, 4, 23, 18, 0, tzinfo=UTC),
        900,
    )
    def test_counts_what_a_minute_counter_counts(
        self, calendar: dict[str, Any], start: datetime, minutes: int
    ) -> None:
        calendars.check(calendar)
        reached = calendars.add_business_minutes(calendar, start, minutes)
        assert reached == _by_the_minute(calendar, start, minutes)

    def test_runs_at_every_hour_without_a_calendar(self) -> None:
        start = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
        assert calendars.add_business_minutes({}, start, 90) == start + 90 * MINUTE

    def test_ends_with_the_closing_and_not_next_morning(self) -> None:
        start = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)  # Friday, 17:00 in Berlin
        assert calendars.add_business_minutes(OFFICE, start, 30) == start + 30 * MINUTE
        monday = datetime(2026, 11, 23, 8, 1, tzinfo=UTC)
        assert calendars.add_business_minutes(OFFICE, start, 31) == monday

    def test_skips_holidays(self) -> None:
        eve = datetime(2026, 12, 24, 16, 29, tzinfo=UTC)
        after = datetime(2026, 12, 28, 8, 1, tzinfo=UTC)  # the 25th is a holiday, then a weekend
        assert calendars.add_business_minutes(OFFICE, eve, 2) == after

    @given(st.integers(0, 3000), st.integers(0, 3000))
    def test_adds_up(self, first: int, second: int) -> None:
        start = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        step = calendars.add_business_minutes(OFFICE, start, first)
        at_once = calendars.add_business_minutes(OFFICE, start, first + second)
        assert calendars.add_business_minutes(OFFICE, step, second) == at_once


class TestCheck:
    def test_lets_good_ones_pass(self) -> None:
        calendars.check({})
        calendars.check(OFFICE)

    @pytest.mark.parametrize(
        ("change", "pointer", "rule"),
        [
            ({"timezone": "Berlin"}, "/calendar/timezone", "enum"),
            ({"timezone": 1}, "/calendar/timezone", "type"),
            ({"week": {}}, "/calendar/week", "minProperties"),
            ({"week": {"mon": []}}, "/calendar/week", "never_open"),
            ({"week": {"monday": []}}, "/calendar/week", "additionalProperties"),
            ({"week": {"mon": [["9:00", "17:00"]]}}, "/calendar/week/mon/0/0", "pattern"),
            ({"week": {"mon": [["09:00"]]}}, "/calendar/week/mon/0", "minItems"),
            ({"week": {"mon": [["17:00", "09:00"]]}}, "/calendar/week/mon/0", "order"),
            ({"week": {"mon": [["09:00", "24:01"]]}}, "/calendar/week/mon/0/1", "pattern"),
            (
                {"week": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}},
                "/calendar/week/mon/1",
                "overlap",
            ),
            ({"holidays": ["2026-02-30"]}, "/calendar/holidays/0", "date"),
            ({"holidays": ["2026-12-25"] * 2}, "/calendar/holidays", "uniqueItems"),
            ({"open": True}, "/calendar", "additionalProperties"),
        ],
    )
    def test_names_the_field_and_the_rule(
        self, change: dict[str, Any], pointer: str, rule: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            calendars.check({**OFFICE, **change})
        assert (refusal.value.pointer, refusal.value.facts["rule"]) == (pointer, rule)

    def test_needs_zone_and_week_together(self) -> None:
        for calendar in ({"timezone": "UTC"}, {"week": OFFICE["week"]}):
            with pytest.raises(InvalidInput) as refusal:
                calendars.check(calendar)
            assert refusal.value.facts["rule"] == "dependentRequired"
