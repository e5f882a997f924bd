"""Problem documents: every error has a stable code of its own, a page, and a sentence."""

import imprimatur.api.urls  # noqa: F401  loads every error that the API can meet
import pytest
from imprimatur.api import problems
from rest_framework.exceptions import ErrorDetail

from governance.kernel.errors import DomainError


def every_error(kind: type[DomainError] = DomainError) -> list[type[DomainError]]:
    return [
        each
        for sub in kind.__subclasses__()
        for each in (sub, *every_error(sub))
        if not each.__module__.startswith("tests.")
    ]


class TestCatalogue:
    @pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
    def test_knows_each_error_of_ours(self, kind: type[DomainError]) -> None:
        assert problems.catalogue()[kind.code].endswith(".")
        assert kind.status in {400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503}

    def test_gives_no_code_two_meanings(self) -> None:
        found: dict[str, set[int]] = {}
        for kind in every_error():
            found.setdefault(kind.code, set()).add(kind.status)
        assert {code: statuses for code, statuses in found.items() if len(statuses) > 1} == {}


class TestFlatten:
    def test_points_at_each_leaf(self) -> None:
        detail = {
            "name": [ErrorDetail("Required.", "required")],
            "items": [{}, {"a/b": [ErrorDetail("Wrong.", "invalid")]}],
            "non_field_errors": [ErrorDetail("Neither.", "both")],
            "map": {"x": {"y": [ErrorDetail("Deep.", "deep")]}},
        }
        assert [(e["pointer"], e["rule"]) for e in problems.flatten(detail)] == [
            ("/name", "required"),
            ("/items/1/a~1b", "invalid"),
            ("", "both"),
            ("/map/x/y", "deep"),
        ]
