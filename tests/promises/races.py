"""Two writers at once: one holds its transaction open while the other comes up beside it."""

import threading
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from governance.kernel.errors import DomainError

# How long a commit may take on a machine with much else to write.
PATIENCE_S = 60.0


def run(first: Callable[[], None], second: Callable[[], None]) -> list[str]:
    """Run `first` in an open transaction, start `second` beside it, then commit `first`.

    Says of the first and then of the second whether it "committed" or was "refused", whichever
    thread comes to say so earlier; the second must have waited.
    """
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has a single writer: there is no race to lose")
    outcome: list[str] = []
    acted, go_on = threading.Event(), threading.Event()

    def play(name: str, act: Callable[[], None], *, holds: bool) -> None:
        try:
            with transaction.atomic():
                act()
                if holds:
                    acted.set()
                    go_on.wait(PATIENCE_S)
            outcome.append(f"{name} committed")
        except (DatabaseError, DomainError):
            outcome.append(f"{name} refused")
        finally:
            acted.set()
            connection.close()

    one = threading.Thread(target=play, args=("first", first), kwargs={"holds": True})
    two = threading.Thread(target=play, args=("second", second), kwargs={"holds": False})
    one.start()
    assert acted.wait(PATIENCE_S)
    two.start()
    # The second must be waiting for a lock, or it would have passed the first unseen.
    two.join(0.5)
    waited = two.is_alive()
    go_on.set()
    one.join(PATIENCE_S)
    two.join(PATIENCE_S)
    assert waited, "the second did not wait for the first"
    return sorted(outcome)


def together(*acts: Callable[[], object]) -> list[str]:
    """Run the acts at once, as requests do, each in its own connection and transactions.

    Says for each, in its place, "done" or the code of what refused it; whatever no request expects
    (a deadlock, a constraint that nobody foresaw) is raised.
    """
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has a single writer: there is no race to lose")
    outcome: list[str] = [""] * len(acts)
    broken: list[Exception] = []
    start = threading.Barrier(len(acts))

    def play(place: int, act: Callable[[], object]) -> None:
        try:
            start.wait(PATIENCE_S)
            act()
            outcome[place] = "done"
        except DomainError as error:
            outcome[place] = error.code
        except Exception as error:  # noqa: BLE001  a thread's error is raised by who waits for it
            broken.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=play, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    if broken:
        raise broken[0]
    assert "" not in outcome, "an act did not end"
    return outcome
