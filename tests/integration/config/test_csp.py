"""The content security policy: every answer carries one, whatever answers and however it ends."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from imprimatur.config import csp

pytestmark = pytest.mark.django_db
# The API's reading room is somebody else's page: it sets styles inline, and may do that alone.
ALLOWED = {"/api/v1/docs": "style-src 'self' 'unsafe-inline'"}
ARGUMENTS = {"uuid": str(uuid4()), "str": "x", "slug": "x", "int": "1", "path": "x"}


def addresses(resolver: URLResolver | None = None, root: str = "/") -> list[str]:
    """Return an address for each route, with something in the place of each argument."""
    found = []
    for entry in (resolver or get_resolver()).url_patterns:
        route = root + str(entry.pattern).lstrip("^")
        if isinstance(entry, URLResolver):
            found += addresses(entry, route)
        elif isinstance(entry, URLPattern):
            found.append(filled(route, entry))
    return found


def filled(route: str, entry: URLPattern) -> str:
    for name, converter in entry.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower()
        value = ARGUMENTS["str" if kind == "string" else kind]
        for spelled in (f"<{kind}:{name}>", f"<{'str' if kind == 'string' else kind}:{name}>"):
            route = route.replace(spelled, value)
        route = route.replace(f"<{name}>", value)
    return route


class TestThePolicy:
    def test_allows_nothing_that_is_not_listed(self) -> None:
        assert csp.POLICY["default-src"] == "'none'"
        for name in ("script-src", "style-src", "connect-src", "form-action"):
            assert csp.POLICY[name] == "'self'"
        assert not any("unsafe" in value or "*" in value for value in csp.POLICY.values())

    def test_is_on_every_route_for_anybody(self, client: Client) -> None:
        client.raise_request_exception = False
        found = addresses()
        assert len(found) > 30
        for path in found:
            for method in ("get", "post"):
                answer = getattr(client, method)(path)
                policy = answer.headers.get("Content-Security-Policy", "")
                assert "default-src 'none'" in policy, (method, path, policy)
                assert "unsafe" not in policy.replace(ALLOWED.get(path, "-"), ""), (method, path)

    def test_is_on_what_is_not_there_and_on_what_failed(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert client.get("/nowhere").headers["Content-Security-Policy"] == csp.HEADER
        client.raise_request_exception = False
        monkeypatch.setattr("imprimatur.config.health.PROBES", None)
        answer = client.get("/readyz")
        assert answer.status_code == 500
        assert answer.headers["Content-Security-Policy"] == csp.HEADER

    def test_is_on_static_files_too(self, settings: Any, tmp_path: Path) -> None:
        (tmp_path / "logo.svg").write_text("<svg/>")
        settings.STATIC_ROOT = tmp_path
        answer = Client().get("/static/logo.svg")
        assert answer.status_code == 200
        assert b"".join(answer) == b"<svg/>"
        assert answer.headers["Content-Security-Policy"] == csp.HEADER
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
