"""The clock, read at the edges only; everything below takes `now` as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def isoformat(at: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC with microseconds, always the same length.

    >>> isoformat(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000000Z'
    """
    if at.tzinfo is None:
        message = "a time without a zone cannot be recorded"
        raise ValueError(message)
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
