"""The description: complete, in step with the checked-in document, shown by our own files."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

CHECKED_IN = Path(__file__).resolve().parents[3] / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def generated() -> str:
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return out.getvalue()


class TestDocument:
    def test_is_the_checked_in_one(self, generated: str) -> None:
        assert generated == CHECKED_IN.read_text(encoding="utf-8"), (
            "out of step: python manage.py spectacular --file docs/openapi.yaml"
        )

    def test_is_openapi_3_1(self, generated: str) -> None:
        assert yaml.safe_load(generated)["openapi"].startswith("3.1")

    def test_gives_every_operation_its_answers_and_problems(self, generated: str) -> None:
        document = yaml.safe_load(generated)
        operations = [
            (path, method, found)
            for path, methods in document["paths"].items()
            for method, found in methods.items()
        ]
        assert len(operations) > 35
        for path, method, found in operations:
            where = f"{method} {path}"
            assert found["operationId"], where
            assert found["x-imprimatur-needs"], where
            for status, answer in found["responses"].items():
                if int(status) >= 400:
                    schema = answer["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, where
                elif status != "204":
                    assert answer["content"], where
            assert {"500", "503"} <= set(found["responses"]), where
            # These name a person, about whom nothing is told: whether they exist neither.
            if "{" in path and not path.endswith(("/roles", "/holds", "/erasure")):
                assert "404" in found["responses"], where

    def test_asks_for_an_idempotency_key_wherever_something_is_created(
        self, generated: str
    ) -> None:
        document = yaml.safe_load(generated)
        for path, methods in document["paths"].items():
            for found in methods.values():
                if {"201", "202"} & set(found["responses"]):
                    names = {parameter["name"] for parameter in found["parameters"]}
                    assert "Idempotency-Key" in names, path


class TestPages:
    def test_serve_the_document(self, client: Any) -> None:
        answer = client.get("/api/v1/openapi.json")
        assert answer.headers["Content-Type"] == "application/vnd.oai.openapi+json"
        assert answer.json()["info"]["title"] == "Imprimatur"

    def test_show_it_from_our_own_files_only(self, client: Any) -> None:
        answer = client.get("/api/v1/docs")
        page, policy = answer.content.decode(), answer.headers["Content-Security-Policy"]
        assert "http://" not in page
        assert "https://" not in page
        assert "<style" not in page
        assert page.count("<script") == page.count('<script src="/static/')
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
