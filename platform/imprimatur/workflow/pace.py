"""Keeps what costs nothing to ask for, such as a preview, from being asked for without end.

Each process counts for itself and in memory: what is limited here records nothing, not even this.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from threading import Lock
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.utils.translation import ngettext

from governance.kernel.errors import DomainError

WINDOW_S = 60
PEOPLE_MOST = 10_000


class TooManyPreviews(DomainError):
    """One person asked for too many previews; `retry_after_s` says when to ask again."""

    code = "too_many_previews"
    status = 429


class Pace:
    """Counts per person in windows of a minute, for the people who asked last."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[UUID, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def count(self, person_id: UUID, most: int) -> None:
        """Count one more. Raises: TooManyPreviews beyond `most` in a window."""
        now = self._clock()
        with self._lock:
            opened_at, asked = self._windows.pop(person_id, (now, 0))
            if now - opened_at >= WINDOW_S:
                opened_at, asked = now, 0
            self._windows[person_id] = (opened_at, min(asked, most) + 1)
            if len(self._windows) > PEOPLE_MOST:
                self._windows.popitem(last=False)
        if asked >= most:
            wait_s = max(1, ceil(opened_at + WINDOW_S - now))
            raise TooManyPreviews(
                ngettext(
                    "Too many previews. Ask again in %(n)d second.",
                    "Too many previews. Ask again in %(n)d seconds.",
                    wait_s,
                )
                % {"n": wait_s},
                retry_after_s=wait_s,
            )


_previews = Pace()


def count_preview(person_id: UUID) -> None:
    """Count a preview of this person. Raises: TooManyPreviews."""
    _previews.count(person_id, settings.PREVIEWS_A_MINUTE)
