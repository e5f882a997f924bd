"""Goes on with an answer after Django has given it: streams of events hold no thread of Django's.

A view answers with the first events and leaves its watch in the request's scope. Django ends the
request as any other, with its thread and its connection; the rest comes from the event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from imprimatur.config.limits import Application, Message, Receive, Scope, Send
from imprimatur.workflow.following import BOARD, MEDIA_TYPE, Board, Watch

OK = 200
EVENTS = (b"content-type", MEDIA_TYPE.encode())


class Streams:
    """Wraps an ASGI application: what a view left in `scope["watches"]` is followed."""

    def __init__(self, application: Application, board: Board = BOARD) -> None:
        self._application = application
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, then go on with its answer if it is a stream."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        watches: list[Watch] = []
        is_stream = False

        async def kept_open(message: Message) -> None:
            nonlocal is_stream
            if message["type"] == "http.response.start":
                is_stream = bool(watches) and _is_stream(message)
                message = _without_length(message) if is_stream else message
            await send({**message, "more_body": True} if _is_body(message, is_stream) else message)

        try:
            await self._application({**scope, "watches": watches}, receive, kept_open)
            if is_stream:
                await _until_either_ends(self._board.events(watches[0]), receive, send)
        finally:
            for watch in watches:
                self._board.leave(watch)


async def _until_either_ends(events: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Send what there is until it ends, or until the client is gone."""

    async def tell() -> None:
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def listen() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = {asyncio.ensure_future(tell()), asyncio.ensure_future(listen())}
    try:
        done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _is_stream(start: Message) -> bool:
    return start["status"] == OK and EVENTS in {(n.lower(), v) for n, v in start["headers"]}


def _is_body(message: Message, is_stream: bool) -> bool:
    return is_stream and message["type"] == "http.response.body"


def _without_length(start: Mapping[str, Any]) -> Mapping[str, Any]:
    headers = [each for each in start["headers"] if each[0].lower() != b"content-length"]
    return {**start, "headers": headers}
