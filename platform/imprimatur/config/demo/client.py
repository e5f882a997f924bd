"""A person at the REST API, as an integrator's program would be: a session, CSRF, idempotency keys.

Where cookies travel over TLS only, it plays the proxy that ends TLS in front of the web process.
"""

from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import httpx
from django.conf import settings

TIMEOUT_S = 30.0


@dataclass
class Person:
    """One signed-in person; every answer comes back as its status and JSON body."""

    base_url: str
    username: str
    _cookies: dict[str, str] = field(default_factory=dict)
    _token: str = ""

    @classmethod
    def sign_in(cls, base_url: str, username: str, password: str) -> Self:
        """Sign in through the API. Raises: RuntimeError if it is refused."""
        person = cls(base_url, username)
        _, body = person.call("GET", "session")
        person._token = body["csrf_token"]
        status, body = person.call("POST", "session", {"username": username, "password": password})
        if not body.get("signed_in"):
            raise RuntimeError(f"{username} could not sign in: {status} {body}")
        person._token = body["csrf_token"]
        return person

    def get(self, path: str) -> Any:
        """Return the body of a GET that succeeds."""
        return self._checked("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the body of a POST that succeeds."""
        return self._checked("POST", path, body)

    def read(self, path: str) -> bytes:
        """Return the bytes at a path."""
        response = self._send("GET", path, None)
        response.raise_for_status()
        return response.content

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str = ""
    ) -> tuple[int, Any]:
        """Return the status and the JSON body, whatever they are.

        `key` is the Idempotency-Key of a POST that may be sent again; without one it gets its own.
        """
        response = self._send(method, path, body, key)
        return response.status_code, response.json() if response.content else None

    def _checked(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        status, answer = self.call(method, path, body)
        if status >= httpx.codes.BAD_REQUEST:
            raise RuntimeError(f"{self.username}: {method} {path} answered {status}: {answer}")
        return answer

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, key: str = ""
    ) -> httpx.Response:
        headers = {"Accept": "application/json", "X-CSRFToken": self._token}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
        if method == "POST":
            headers["Idempotency-Key"] = key or str(uuid4())
        if settings.SESSION_COOKIE_SECURE:
            headers |= {"X-Forwarded-Proto": "https", "Referer": self._https_origin()}
        response = httpx.request(
            method, f"{self.base_url}/api/v1/{path}", json=body, headers=headers, timeout=TIMEOUT_S
        )
        for cookie in response.cookies.jar:
            self._cookies[cookie.name] = cookie.value or ""
        return response

    def _https_origin(self) -> str:
        return self.base_url.replace("http://", "https://", 1) + "/"
