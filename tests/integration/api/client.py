"""A program at the API: sends JSON, keeps the CSRF token, and checks each answer's form."""

import json
from typing import Any, Self
from uuid import uuid4

from django import test

from tests.factories.people import PASSWORD

ROOT = "/api/v1/"


class Client:
    """One caller: nobody, a person with a session, or an integration with a key."""

    def __init__(self, key: str = "") -> None:
        self.browser = test.Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.key = key
        self.token = ""

    @classmethod
    def signed_in(cls, username: str) -> Self:
        """Sign in as a person."""
        client = cls()
        client.token = client.get("session").json()["csrf_token"]
        answer = client.post("session", {"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.content
        client.token = answer.json()["csrf_token"]
        return client

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, **headers)

    def post(
        self, path: str, body: Any = None, idempotency_key: str | None = "new", **headers: str
    ) -> Any:
        if idempotency_key is not None:
            headers["Idempotency-Key"] = (
                str(uuid4()) if idempotency_key == "new" else idempotency_key
            )
        return self.send("POST", path, body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        if self.token:
            headers["X-CSRFToken"] = self.token
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        content_type = headers.pop("Content-Type", "application/json" if data else "")
        url = path if path.startswith(("/", "http")) else ROOT + path
        answer = self.browser.generic(method, url, data, content_type, headers=headers)
        if answer.status_code >= 400:
            check_problem(answer)
        return answer


def check_problem(answer: Any) -> None:
    """Hold every failure to RFC 9457 and to our own members."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert set(body) <= {"type", "title", "status", "detail", "code", "errors", "facts"}
    assert body["status"] == answer.status_code
    assert body["type"] == f"/api/problems/{body['code']}"
    assert body["detail"].endswith((".", "…")), body
    for error in body.get("errors", []):
        assert error["rule"]
        assert error["detail"]
        assert {"pointer", "parameter", "header"} & set(error)
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
