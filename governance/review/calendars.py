"""Business hours: checks a calendar and counts the minutes in which a due time runs; pure.

A calendar is `{"timezone": "Europe/Berlin", "week": {"mon": [["09:00", "17:30"]]}, "holidays":
["2026-12-25"]}`; an empty one is open at every hour. Hours are wall-clock times: a day opens at the
first instant at which its clock shows the time or a later one, so that a day on which the clock is
put forward or back counts the minutes that really pass.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.utils.translation import gettext as _
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from governance.kernel.errors import InvalidInput

SCHEMA = Path(__file__).with_name("calendar.schema.json")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
POINTER = "/calendar"
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def check(calendar: Mapping[str, Any]) -> None:
    """Let a calendar pass, or raise InvalidInput naming the field and the rule."""
    for error in sorted(_validator().iter_errors(calendar), key=lambda each: list(each.path)):
        raise _misshapen(error)
    if not calendar:
        return
    if calendar["timezone"] not in available_timezones():
        raise _refusal(
            _("There is no such time zone; it is named as in Europe/Berlin."), "timezone", "enum"
        )
    for day, hours in calendar["week"].items():
        _check_hours(day, hours)
    if not any(calendar["week"].values()):
        raise _refusal(_("A week needs at least one opening."), "week", "never_open")
    for place, holiday in enumerate(calendar.get("holidays", ())):
        _check_date(place, holiday)


def add_business_minutes(calendar: Mapping[str, Any], start: datetime, minutes: int) -> datetime:
    """Return when `minutes` of business time have passed since `start` (aware), in UTC.

    `calendar` has passed `check`. Time that ends with a day's closing ends then, not next morning.

    >>> week = {day: [["09:00", "17:00"]] for day in DAYS[:5]}
    >>> friday = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 16:00 in Berlin
    >>> hours = {"timezone": "Europe/Berlin", "week": week}
    >>> add_business_minutes(hours, friday, 90).isoformat()
    '2026-11-23T08:30:00+00:00'
    """
    left = timedelta(minutes=minutes)
    start = start.astimezone(UTC)
    if not calendar or not left:
        return start + left
    for opens, closes in _openings(calendar, start):
        since = max(opens, start)
        if closes - since >= left:
            return since + left
        left -= max(closes - since, timedelta())
    raise OverflowError(minutes)


def _openings(calendar: Mapping[str, Any], start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield when the calendar opens and closes, from the day of `start` on, in UTC."""
    zone = ZoneInfo(calendar["timezone"])
    holidays = frozenset(calendar.get("holidays", ()))
    day = start.astimezone(zone).date()
    while day < date.max:
        if day.isoformat() not in holidays:
            for opens, closes in calendar["week"].get(DAYS[day.weekday()], ()):
                yield _instant(zone, day, opens), _instant(zone, day, closes)
        day += _DAY


def _instant(zone: ZoneInfo, day: date, clock: str) -> datetime:
    """Return the first instant at which that day's clock shows `clock` or a later time."""
    minutes = int(clock[:2]) * 60 + int(clock[3:])
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001
    late = wall.replace(tzinfo=zone).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == wall:
        return late
    # The clock jumps over this time: find the jump between the two readings of it.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


@cache
def _validator() -> Draft202012Validator:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _check_hours(day: str, hours: Sequence[Sequence[str]]) -> None:
    for place, (opens, closes) in enumerate(hours):
        if opens >= closes:
            raise _refusal(
                _("An opening ends after it begins; one over midnight is written as two."),
                f"week/{day}/{place}",
                "order",
            )
    for place, (earlier, later) in enumerate(pairwise(hours), start=1):
        if earlier[1] > later[0]:
            raise _refusal(
                _("The openings of a day stand in their order and do not overlap."),
                f"week/{day}/{place}",
                "overlap",
            )


def _check_date(place: int, holiday: str) -> None:
    try:
        date.fromisoformat(holiday)
    except ValueError as error:
        raise _refusal(
            _("“%(date)s” is not a day of the calendar.") % {"date": holiday},
            f"holidays/{place}",
            "date",
        ) from error


def _misshapen(error: ValidationError) -> InvalidInput:
    rule = str(error.validator)
    said = {
        "additionalProperties": _(
            "Business hours have a timezone, a week of mon to sun, holidays."
        ),
        "dependentRequired": _("Business hours need both a timezone and a week."),
        "pattern": _("A time is written as 09:00, a day as 2026-12-25."),
        "type": _("Business hours are not written like this."),
        "uniqueItems": _("A holiday is named once."),
    }
    where = "/".join(str(step) for step in error.absolute_path)
    return _refusal(said.get(rule, _("This is too short or too long.")), where, rule)


def _refusal(detail: str, where: str, rule: str) -> InvalidInput:
    return InvalidInput(detail, pointer=f"{POINTER}/{where}".rstrip("/"), rule=rule)
