"""PostgreSQL with a bound on every wait: a server that went silent fails a request, hangs none.

TCP's own timeouts find a peer that is gone; they do not find one that is frozen, or a proxy that
keeps the line up in front of nothing. `answer_s` in the options bounds each wait for an answer.
"""

from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up, and is closed, when one answer takes longer than `answer_s`."""

    answer_s: float | None = None

    def wait(
        self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        """Wait for one answer of the server. Raises: OperationalError when it takes too long."""
        try:
            return super().wait(gen, interval, timeout or self.answer_s)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 (it has no public name)
            # Whatever comes now belongs to a question that nobody waits for any more.
            self.pgconn.finish()
            message = "the database did not answer in time"
            raise psycopg.OperationalError(message) from error
        except psycopg.errors.IdleInTransactionSessionTimeout as error:
            # This process was frozen and lost its session: to the code, the database was away.
            raise psycopg.OperationalError(str(error)) from error


def connect(*, answer_s: float | None = None, **options: Any) -> BoundedConnection:
    """Connect as psycopg does, with the bound from then on."""
    connection = BoundedConnection.connect(**options)
    connection.answer_s = answer_s
    return connection


class _Driver:
    """The driver's module as Django sees it, which connects with a bound."""

    connect = staticmethod(connect)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own backend, on such connections."""

    Database = _Driver()  # type: ignore[assignment]  # everything else is the module's own
