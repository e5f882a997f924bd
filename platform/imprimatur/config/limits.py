"""Stops a request body that is larger than any of ours, before Django has written it to a disk."""

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _

from imprimatur.api import problems
from imprimatur.api.errors import PayloadTooLarge

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

# As many digits as any server lets through.
_DIGITS = 19


class BodyLimit:
    """Wraps an ASGI application: beyond `limit_bytes`, declared or sent, the answer is 413.

    `larger` holds the limits of the few paths that take more.
    """

    def __init__(
        self,
        application: Application,
        *,
        limit_bytes: int,
        larger: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._application = application
        self._limit_bytes = limit_bytes
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count its body as it is read."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        limit_bytes = self._larger.get(scope.get("path", ""), self._limit_bytes)
        if _declared_bytes(scope) > limit_bytes:
            await self._refuse(send, limit_bytes)
            return
        received_bytes = 0
        has_begun = False

        async def counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > limit_bytes:
                raise _BodyTooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._application(scope, counted, watched)
        except _BodyTooLarge:
            if has_begun:
                # Too late for an answer: the server sees the error and cuts the connection.
                raise
            await self._refuse(send, limit_bytes)

    async def _refuse(self, send: Send, limit_bytes: int) -> None:
        body = _problem(limit_bytes)
        headers = [
            (b"content-type", problems.MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            # The rest of the body is still on its way: it must not be read as the next request.
            (b"connection", b"close"),
        ]
        await send(
            {"type": "http.response.start", "status": PayloadTooLarge.status, "headers": headers}
        )
        await send({"type": "http.response.body", "body": body})


class _BodyTooLarge(Exception):
    """More has come than any request of ours needs."""


def _declared_bytes(scope: Scope) -> int:
    """Return the largest Content-Length of the request; 0 without one, as in a chunked body.

    What it does not say rightly is counted as it comes.

    >>> _declared_bytes({"headers": [(b"content-length", b"12"), (b"accept", b"99")]})
    12
    >>> _declared_bytes({"headers": [(b"content-length", b"many")]})
    0
    """
    declared = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return max((int(value[:_DIGITS]) for value in declared if value.isdigit()), default=0)


def _problem(limit_bytes: int) -> bytes:
    error = PayloadTooLarge(
        _("A request has at most %(limit)d bytes.") % {"limit": limit_bytes},
        limit_bytes=limit_bytes,
    )
    return json.dumps(problems.from_domain_error(error).data).encode()
