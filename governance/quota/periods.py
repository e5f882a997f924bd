"""The period that a quota is granted for: a calendar month in UTC, written "2026-11"."""

import re
from datetime import UTC, datetime

_PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def period_of(now: datetime) -> str:
    """Return the period that `now` falls in.

    >>> from datetime import timedelta, timezone
    >>> period_of(datetime(2026, 12, 1, tzinfo=UTC))
    '2026-12'
    >>> period_of(datetime(2026, 12, 1, tzinfo=timezone(timedelta(hours=2))))
    '2026-11'
    """
    if now.tzinfo is None:
        raise ValueError("a time without a zone falls in no period")
    return now.astimezone(UTC).strftime("%Y-%m").zfill(7)


def is_period(text: str) -> bool:
    r"""Tell whether `text` names a period.

    >>> is_period("2026-11"), is_period("2026-13"), is_period("2026-1"), is_period("2026-11\n")
    (True, False, False, False)
    """
    return _PERIOD.fullmatch(text) is not None
