"""Streams that go on after Django's answer: theirs alone, and over with the client."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from imprimatur.config.streams import Streams
from imprimatur.workflow.following import MEDIA_TYPE, Board, Watch

WATCH = Watch(UUID(int=1), UUID(int=2), lambda _now: {}, "")


class Events(Board):
    """A board on which these events come; with `goes_on`, none ends the stream."""

    def __init__(self, *events: bytes, goes_on: bool = False) -> None:
        super().__init__(lambda _job_ids: {})
        self.coming = events
        self.goes_on = goes_on

    async def events(self, watch: Watch) -> AsyncIterator[bytes]:
        """Yield what comes."""
        for event in self.coming:
            yield event
        if self.goes_on:
            await asyncio.Event().wait()

    @property
    def is_empty(self) -> bool:
        """Return whether nobody watches."""
        return not self._watches


class View:
    """Answers as Django does, and leaves a watch where it was told to."""

    def __init__(
        self, board: Board, *, media_type: str = MEDIA_TYPE, status: int = 200, watches: bool = True
    ) -> None:
        self.board, self.media_type, self.status, self.watches = board, media_type, status, watches

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        if self.watches:
            self.board.join(WATCH)
            scope["watches"].append(WATCH)
        headers = [(b"Content-Type", self.media_type.encode()), (b"Content-Length", b"5")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"first"})


def ask(board: Events, view: View, *, leaves: bool = False) -> list[Mapping[str, Any]]:
    """Ask once; a client that leaves does so when it has got everything that comes."""
    answered: list[Mapping[str, Any]] = []

    async def run() -> None:
        gone = asyncio.Event()

        async def receive() -> Mapping[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            answered.append(message)
            if leaves and len(answered) == 2 + len(board.coming):
                gone.set()

        streams = Streams(view, board)
        await asyncio.wait_for(streams({"type": "http"}, receive, send), 10)

    asyncio.run(run())
    return answered


def headers_of(answered: list[Mapping[str, Any]]) -> set[bytes]:
    return {name.lower() for name, _ in answered[0]["headers"]}


class TestAStream:
    def test_goes_on_where_the_view_ended(self) -> None:
        board = Events(b"second", b"third")
        answered = ask(board, View(board))
        assert [each["body"] for each in answered[1:]] == [b"first", b"second", b"third", b""]
        assert [each["more_body"] for each in answered[1:]] == [True, True, True, False]
        assert b"content-length" not in headers_of(answered)
        assert board.is_empty

    def test_ends_when_the_client_leaves(self) -> None:
        board = Events(b"second", goes_on=True)
        assert ask(board, View(board), leaves=True)[-1]["body"] == b"second"
        assert board.is_empty


class TestAnyOtherAnswer:
    def test_passes_as_it_is(self) -> None:
        board = Events(b"never")
        answered = ask(board, View(board, watches=False))
        assert b"content-length" in headers_of(answered)
        assert [each.get("body") for each in answered[1:]] == [b"first"]

    def test_of_a_view_that_failed_after_it_began_to_watch_is_no_stream(self) -> None:
        board = Events(b"never")
        for view in (View(board, status=500), View(board, media_type="text/html")):
            assert [each.get("body") for each in ask(board, view)[1:]] == [b"first"]
        assert board.is_empty
