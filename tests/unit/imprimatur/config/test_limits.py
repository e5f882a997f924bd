"""The limit on bodies: declared or counted, and nothing behind it ever sees one byte too many."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from imprimatur.config import limits
from imprimatur.config.limits import BodyLimit

LIMIT_BYTES = 10
OPENING = {"type": "http.response.start", "status": 200, "headers": []}


class Application:
    """Reads the whole body and answers with it; `answers_first` begins before it has read."""

    def __init__(self, *, answers_first: bool = False) -> None:
        self.answers_first = answers_first
        self.was_asked = False
        self.seen = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.was_asked = True
        if self.answers_first:
            await send(OPENING)
        more = True
        while more:
            message = await receive()
            self.seen += message.get("body", b"")
            more = message.get("more_body", False)
        if not self.answers_first:
            await send(OPENING)
        await send({"type": "http.response.body", "body": self.seen})


def ask(
    application: Application,
    *pieces: bytes,
    headers: Mapping[str, str] | None = None,
    kind: str = "http",
    path: str = "/",
) -> list[Mapping[str, Any]]:
    """Send a body in pieces through the limit; return what is answered."""
    waiting = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]
    answered: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return waiting.pop(0)

    async def send(message: Mapping[str, Any]) -> None:
        answered.append(message)

    scope = {
        "type": kind,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    limited = BodyLimit(application, limit_bytes=LIMIT_BYTES, larger={"/large": 2 * LIMIT_BYTES})
    asyncio.run(limited(scope, receive, send))
    return answered


def check_refused(answered: list[Mapping[str, Any]], limit_bytes: int = LIMIT_BYTES) -> None:
    start, body = answered
    headers = dict(start["headers"])
    assert start["status"] == 413
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"connection"] == b"close"
    assert int(headers[b"content-length"]) == len(body["body"])
    problem = json.loads(body["body"])
    assert (problem["status"], problem["code"]) == (413, "payload_too_large")
    assert problem["type"] == "/api/problems/payload_too_large"
    assert problem["facts"] == {"limit_bytes": limit_bytes}


class TestBodyLimit:
    @pytest.mark.parametrize("pieces", [(b"",), (b"x" * 10,), (b"x" * 4, b"x" * 6)])
    def test_passes_a_body_within_it_unchanged(self, pieces: tuple[bytes, ...]) -> None:
        application = Application()
        answered = ask(application, *pieces, headers={"content-length": "10"})
        assert answered == [OPENING, {"type": "http.response.body", "body": b"".join(pieces)}]

    def test_refuses_what_is_declared_too_large_without_asking_for_it(self) -> None:
        application = Application()
        check_refused(ask(application, b"x", headers={"content-length": "11"}))
        assert not application.was_asked

    @pytest.mark.parametrize("headers", [{}, {"content-length": "1"}, {"content-length": "few"}])
    def test_refuses_what_comes_beyond_it_whatever_was_declared(
        self, headers: dict[str, str]
    ) -> None:
        application = Application()
        check_refused(ask(application, b"x" * 10, b"y", b"z" * 1000, headers=headers))
        assert application.seen == b"x" * 10

    def test_takes_more_at_the_paths_that_say_so_and_no_others(self) -> None:
        application = Application()
        ask(application, b"x" * 15, path="/large")
        assert application.seen == b"x" * 15
        check_refused(ask(Application(), b"x" * 21, path="/large"), 2 * LIMIT_BYTES)
        for path in ("/", "/large/", "/larger"):
            check_refused(ask(Application(), b"x" * 15, path=path))

    def test_refuses_a_length_of_any_size(self) -> None:
        check_refused(ask(Application(), b"", headers={"content-length": "9" * 5000}))

    def test_cuts_an_answer_that_has_begun(self) -> None:
        application = Application(answers_first=True)
        with pytest.raises(limits._BodyTooLarge):
            ask(application, b"x" * 11)
        assert application.seen == b""

    def test_leaves_other_protocols_alone(self) -> None:
        application = Application()
        ask(application, b"x" * 11, kind="lifespan")
        assert application.seen == b"x" * 11
