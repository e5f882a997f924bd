"""Follows orders for those who watch them, as server-sent events: state, steps, place, wait.

However many watch, one thread of a process looks once a second and asks for all their orders
together; a watcher holds neither thread nor connection. Who may see an order is asked when a stream
begins. It ends after `STREAM_MOST_S`, and the client comes back and is asked again.
Source: HTML Living Standard, section 9.2 (server-sent events).
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import UUID

import structlog
from django.db import close_old_connections, connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.jobs import progress
from generation.jobs import services as jobs
from generation.jobs.outlook import Place
from generation.jobs.progress import OrderProgress
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError

MEDIA_TYPE = "text/event-stream"
# What a person may watch at once, and how many streams one process carries.
STREAMS_OF_ONE = 6
STREAMS_MOST = 500
LOOK_EVERY_S = 1.0
HEARTBEAT_S = 15.0
STREAM_MOST_S = 120.0
# After how many milliseconds a client comes back when its stream ended.
COME_BACK_MS = 2000

Tell = Callable[[OrderProgress], Mapping[str, Any]]
Look = Callable[[Collection[UUID]], Mapping[UUID, OrderProgress]]

log = structlog.get_logger(__name__)


class TooManyStreams(DomainError):
    """The person watches as many orders as one may, or the process carries as many as it can."""

    code = "too_many_streams"
    status = 429


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """One stream: who watches what, how it is told, and what was told last."""

    person_id: UUID
    job_id: UUID
    tell: Tell
    told: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a stream begins with: the first events; the watch, if there is more to come."""

    body: bytes
    watch: Watch | None


def begin(actor: Actor, job_id: UUID, *, tell: Tell, told: str = "") -> Beginning:
    """Return the first events of a stream for this actor: the whole state, unless `told` is that.

    told: the `Last-Event-ID` that the client brought. An empty body without a watch means that
    there is nothing to say any more. Raises: NotFound.
    """
    progress.require_readable(actor, job_id)
    now = progress.of_orders([job_id])[job_id]
    if now.is_over and now.version == told:
        return Beginning(b"", None)
    body = f"retry: {COME_BACK_MS}\n\n".encode() + _news(now, tell, told)
    if now.is_over:
        return Beginning(body + _END, None)
    return Beginning(body, Watch(actor.id, job_id, tell, now.version))


class Board:
    """Who watches in this process, and what was seen last of what they watch."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lock = Lock()
        self._watches: set[Watch] = set()
        self._seen: Mapping[UUID, OrderProgress] = {}
        self._looking: asyncio.Task[None] | None = None
        self._round: asyncio.Future[None] | None = None

    def join(self, watch: Watch) -> None:
        """Count one more stream; from any thread. Raises: TooManyStreams."""
        with self._lock:
            own = Counter(each.person_id for each in self._watches)[watch.person_id]
            if own >= STREAMS_OF_ONE or len(self._watches) >= STREAMS_MOST:
                raise TooManyStreams(
                    _("Too many orders are watched at once. Close some of them, or look again.")
                    if own >= STREAMS_OF_ONE
                    else _("Too many people watch orders at this moment. Look again in a while."),
                    retry_after_s=round(LOOK_EVERY_S),
                )
            self._watches.add(watch)

    def leave(self, watch: Watch) -> None:
        """Count the stream no more."""
        with self._lock:
            self._watches.discard(watch)

    async def events(self, watch: Watch) -> AsyncIterator[bytes]:
        """Yield what moves, a sign of life while nothing does, and the end; it has joined."""
        loop = asyncio.get_running_loop()
        began_at = said_at = loop.time()
        told = watch.told
        while loop.time() - began_at < STREAM_MOST_S:
            await self._next_round()
            now = self._seen.get(watch.job_id)
            if now is not None and now.version != told:
                yield _news(now, watch.tell, told)
                told, said_at = now.version, loop.time()
            elif loop.time() - said_at >= HEARTBEAT_S:
                yield b": nothing moved\n\n"
                said_at = loop.time()
            if now is not None and now.is_over:
                yield _END
                return

    async def _next_round(self) -> None:
        """Wait until it was looked again; whoever waits first lets the looking begin."""
        if self._looking is None or self._looking.done():
            self._round = asyncio.get_running_loop().create_future()
            self._looking = asyncio.create_task(self._keep_looking())
        if self._round is not None:
            await asyncio.shield(self._round)

    async def _keep_looking(self) -> None:
        """Look for all watchers together until there are none; a failed look is tried again."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "follow") as thread:
            try:
                while watched := {each.job_id for each in tuple(self._watches)}:
                    try:
                        self._seen = await loop.run_in_executor(thread, self._asked, watched)
                    except Exception:
                        log.exception("Unable to look how far orders are")
                    self._ring(loop)
                    await asyncio.sleep(LOOK_EVERY_S)
                # Whoever joins from here on lets a new looking begin.
                self._looking, self._seen = None, {}
                self._ring(loop)
            finally:
                # Also where the looking is called off: the thread leaves no connection behind.
                thread.submit(_let_go)

    def _asked(self, watched: Collection[UUID]) -> Mapping[UUID, OrderProgress]:
        """Look, in the thread, on a connection that still works."""
        close_old_connections()
        return self._look(watched)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        """End a round for all who wait for it, and begin the next."""
        over, self._round = self._round, loop.create_future()
        if over is not None:
            with suppress(asyncio.InvalidStateError):
                over.set_result(None)


def _let_go() -> None:
    """Close the connection of the thread that calls; it has one of its own."""
    connection.close()


def _look(job_ids: Collection[UUID]) -> Mapping[UUID, OrderProgress]:
    """Look how far orders are, and ask for previews of what is in work."""
    found = progress.of_orders(job_ids)
    in_work = [item.id for each in found.values() for item in each.items if item.state == "leased"]
    if in_work:
        jobs.watch(in_work, clock.now())
    return found


BOARD = Board(_look)


def attach(scope: Mapping[str, Any], watch: Watch) -> None:
    """Let a stream go on after its first answer; where no server can, the client comes back.

    scope: the request's, in which `config.streams` keeps what is watched. Raises: TooManyStreams.
    """
    if "watches" in scope:
        BOARD.join(watch)
        scope["watches"].append(watch)


_END = b"event: end\ndata: {}\n\n"


def _news(now: OrderProgress, tell: Tell, told: str) -> bytes:
    if now.version == told:
        return b""
    data = json.dumps(tell(now), ensure_ascii=False)
    return f"id: {now.version}\nevent: order\ndata: {data}\n\n".encode()


def reason(place: Place) -> str:
    """Say in words why an image waits where it does; nothing tells whose the others are."""
    parts = []
    if place.others:
        parts.append(
            ngettext(
                "%(n)s other person waits; meanwhile %(share)s %% of the worker's time is yours.",
                "%(n)s other people wait; meanwhile %(share)s %% of the worker's time is yours.",
                place.others,
            )
            % {"n": place.others, "share": max(1, round(100 * place.share))}
        )
    if place.was_passed:
        parts.append(_("Images of the model that a worker holds went first; that has a limit."))
    return " ".join(parts)
