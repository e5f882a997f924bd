"""Requests as such: strict JSON, problem documents for everything, no answer with our insides."""

from typing import Any

import pytest
from django.db import OperationalError
from imprimatur.accounts import selectors

from tests.integration.api.client import Client


@pytest.mark.usefixtures("brand_id")
class TestBody:
    @pytest.mark.parametrize(
        ("body", "rule"),
        [
            (b"{", "syntax"),
            (b"[]", "object"),
            (b'"text"', "object"),
            (b"", "required"),
            (b"\xff\xfe", "utf8"),
            (b'{"a": NaN}', "syntax"),
            (b'{"a": 1e999}', "number"),
            (b'{"a": ' + b"9" * 5000 + b"}", "number"),
            (b'{"a": 1, "a": 2}', "duplicate"),
            (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "depth"),
            (b'{"a": "\\u0000"}', "text"),
            (b'{"a": "\\ud800"}', "text"),
        ],
        ids=str,
    )
    def test_is_refused_with_the_rule_it_breaks(
        self, marta: Client, body: bytes, rule: str
    ) -> None:
        answer = marta.send("POST", "keys", body, **{"Idempotency-Key": "k"})
        found = answer.json()
        assert answer.status_code == 400
        rules = [error["rule"] for error in found.get("errors", [])]
        assert rule in rules or found["code"] == "malformed_json"

    def test_is_refused_when_too_large(self, marta: Client, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        answer = marta.post("keys", {"name": "x" * 1000})
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")

    @pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "multipart/form-data"])
    def test_is_json_and_nothing_else(self, marta: Client, media_type: str) -> None:
        answer = marta.post("keys", b"name=CMS", **{"Content-Type": media_type})
        assert answer.json()["code"] == "unsupported_media_type"

    def test_may_name_its_charset(self, marta: Client) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        assert marta.post("keys", b"{}", **headers).json()["code"] == "invalid_input"


class TestAddresses:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
    @pytest.mark.parametrize("path", ["/api/", "/api/v2/jobs", "/api/v1/nothing", "/api/v1/jobs/7"])
    def test_that_do_not_exist_say_so(self, db: None, method: str, path: str) -> None:
        assert Client().send(method, path).status_code == 404

    def test_that_lack_the_method_say_which_they_have(self, marta: Client) -> None:
        answer = marta.send("PUT", "jobs", {})
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}

    def test_need_somebody(self, db: None) -> None:
        for path in ("me", "jobs", "cases", "releases", "ledger/entries", "keys", "users"):
            answer = Client().get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


class TestFailures:
    def test_say_nothing_of_the_inside(
        self, marta: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> str:
            raise RuntimeError("secret detail of line 7")

        monkeypatch.setattr(selectors, "display_name", fail)
        answer = marta.get("me")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "secret" not in answer.content.decode()
        assert answer.json()["facts"]["request_id"]

    def test_of_the_database_ask_to_come_again(
        self, marta: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> str:
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(selectors, "display_name", fail)
        answer = marta.get("me")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "5"


class TestPages:
    def test_explain_every_code(self, client: Any) -> None:
        index = client.get("/api/problems").content.decode()
        for code in ("not_found", "quota_exceeded", "order_refused", "idempotency_key_missing"):
            assert code in index
            page = client.get(f"/api/problems/{code}")
            assert page.status_code == 200
            assert code in page.content.decode()
        assert client.get("/api/problems/never_heard_of").status_code == 404

    def test_are_under_the_strict_policy(self, client: Any) -> None:
        page = client.get("/api/problems/not_found")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "<style" not in page.content.decode()
        assert "<script" not in page.content.decode()


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=many", "limit"),
            ("cursor=nonsense", "cursor"),
            ("cursor=AAAA", "cursor"),
            ("brand_id=7", "brand_id"),
            ("brand=x", "brand"),
            ("limit=1&limit=2", "limit"),
        ],
    )
    def test_that_are_wrong_are_named(self, marta: Client, query: str, parameter: str) -> None:
        answer = marta.get(f"jobs?{query}")
        assert answer.status_code == 400
        assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


class TestPaging:
    def test_walks_everything_once_in_order(self, admin: Client, ada: Any) -> None:
        from tests.factories import people

        for name in ("bruno", "clara", "dora", "emil", "fritz"):
            people.add(ada, name)
        seen: list[str] = []
        path = "users?limit=3"
        while path:
            answer = admin.get(path)
            body = answer.json()
            seen += [user["id"] for user in body["items"]]
            path = body["next"]
            link = answer.headers.get("Link")
            assert link == (f'<{path}>; rel="next"' if path else None)
        assert len(seen) == 7
        assert seen == sorted(set(seen))

    def test_skips_nobody_who_was_there_when_others_come(self, admin: Client, ada: Any) -> None:
        from tests.factories import people

        people.add(ada, "bruno")
        first = admin.get("users?limit=2").json()
        people.add(ada, "clara")
        second = admin.get(first["next"]).json()
        names = [user["username"] for user in first["items"] + second["items"]]
        assert names == ["ada", "grace", "bruno", "clara"]
