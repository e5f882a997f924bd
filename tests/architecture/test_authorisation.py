"""Holds every route and method of the API and the portal to the checked-in authorisation table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from imprimatur.api.endpoints import PUBLIC, SIGNED_IN

from governance.policy.permissions import Permission

TABLE = yaml.safe_load((Path(__file__).parent / "authorisation.yaml").read_text(encoding="utf-8"))
ROWS: dict[str, dict[str, str]] = {
    route: methods for part in TABLE.values() for route, methods in part.items()
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CASES = [(route, method) for route in ROWS for method in METHODS]


def routes(
    patterns: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield every route of the root configuration with its view."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        here = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, here)
        else:
            yield here, each.callback


def address(route: str) -> str:
    """Return an address of that route, with ids that name nothing."""
    for part, example in {
        "<path:rest>": "nothing/here",
        "<slug:code>": "not_found",
    }.items():
        route = route.replace(part, example)
    while "<uuid:" in route:
        start, end = route.index("<uuid:"), route.index(">")
        route = f"{route[:start]}{UUID(int=7)}{route[end + 1 :]}"
    return f"/{route}"


class TestTable:
    def test_lists_every_route_and_no_other(self) -> None:
        assert {route for route, _ in routes()} == set(ROWS)

    def test_names_permissions_that_exist(self) -> None:
        known = {PUBLIC, SIGNED_IN, *(permission.value for permission in Permission)}
        named = {need for methods in ROWS.values() for need in methods.values()}
        assert named <= known

    def test_agrees_with_what_each_endpoint_declares(self) -> None:
        declared: dict[str, dict[str, str]] = {}
        for route, view in routes():
            endpoint = getattr(view, "cls", None)
            if endpoint is None or not route.startswith("api/v1/"):
                continue
            declared[route] = {
                method: getattr(endpoint, method.lower()).needs
                for method in METHODS
                if hasattr(endpoint, method.lower())
            }
        assert declared == {route: ROWS[route] for route in declared}
        assert len(declared) > 30

    def test_leaves_no_decision_to_a_key_or_an_admin(self) -> None:
        from governance.policy.predicates import is_person, is_platform_admin
        from governance.policy.table import TABLE as POLICY

        for permission in (Permission.REVIEW_CASE_DECIDE, Permission.PUBLISHING_RELEASE_WITHDRAW):
            assert all(is_person in clause for clause in POLICY[permission])
            assert not any(is_platform_admin in clause for clause in POLICY[permission])


@pytest.mark.django_db
class TestAnonymous:
    @pytest.mark.parametrize(("route", "method"), CASES, ids=lambda part: part or "home")
    def test_gets_what_is_public_and_nothing_else(self, route: str, method: str) -> None:
        client = Client(raise_request_exception=False)
        answer = client.generic(method, address(route))
        need = ROWS[route].get(method)
        if need is None:
            assert answer.status_code in {404, 405} or is_sent_to_sign_in(answer)
        elif need == PUBLIC:
            assert not is_sent_to_sign_in(answer)
            assert answer.status_code in {200, 302, 400, 503}
        else:
            assert is_sent_to_sign_in(answer)


def is_sent_to_sign_in(answer: Any) -> bool:
    return answer.status_code == 401 or (
        answer.status_code == 302 and answer.headers["Location"].startswith("/sign-in/?next=")
    )
