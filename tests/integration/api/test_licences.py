"""Licences over the API: proposed with their text, agreed by another admin, counted, retired."""

from typing import Any
from uuid import uuid4

import pytest

from governance.kernel.digests import sha256_hex
from tests import rows
from tests.factories.licences import TEXT
from tests.integration.api.client import Client

PROPOSAL: dict[str, Any] = {
    "identifier": "LicenseRef-studio",
    "name": "Contract with the studio",
    "text": TEXT.decode(),
    "text_sha256": sha256_hex(TEXT),
    "purposes": ["commercial"],
    "obligations": ["notice", "usage_report"],
    "revenue_limit": "1000000.50",
    "revenue_currency": "EUR",
}


@pytest.fixture
def grace(admin: Client) -> Client:
    return Client.signed_in("grace")


class TestALicence:
    def test_is_proposed_agreed_read_and_retired(
        self, admin: Client, grace: Client, marta: Client
    ) -> None:
        made = admin.post("licences", PROPOSAL)
        assert made.status_code == 201
        here = made.headers["Location"]
        assert (made.json()["state"], made.json()["revenue_limit"]) == ("proposed", "1000000.50")
        assert admin.post(f"{here}/agreement").status_code == 403
        assert marta.post(f"{here}/agreement").status_code == 403
        assert grace.post(f"{here}/agreement").json()["state"] == "agreed"
        assert grace.post(f"{here}/agreement").json()["code"] == "illegal_transition"
        assert marta.get(here).json()["obligations"] == ["notice", "usage_report"]
        assert marta.get(f"{here}/text").json()["text"] == TEXT.decode()
        assert [each["id"] for each in marta.get("licences").json()["items"]] == [made.json()["id"]]
        assert admin.post(f"{here}/retirement").json()["state"] == "retired"

    def test_has_a_counter_for_admins(self, admin: Client, marta: Client) -> None:
        here = admin.post("licences", PROPOSAL).headers["Location"]
        assert admin.get(f"{here}/usage?period=2026-11").json() == {
            "licence_id": here.rsplit("/", 1)[1],
            "period": "2026-11",
            "images": 0,
            "gpu_s": 0.0,
            "models": 0,
        }
        assert marta.get(f"{here}/usage").status_code == 403
        assert admin.get(f"{here}/usage?period=2026-13").status_code == 400

    @pytest.mark.parametrize(
        ("changes", "status", "pointer"),
        [
            ({"text_sha256": "0" * 64}, 422, "/text_sha256"),
            ({"purposes": []}, 400, "/purposes"),
            ({"purposes": ["war"]}, 400, "/purposes/0"),
            ({"identifier": "a b"}, 400, "/identifier"),
            ({"revenue_limit": "-1"}, 400, "/revenue_limit"),
            ({"revenue_limit": "much"}, 400, "/revenue_limit"),
            ({"revenue_currency": "€"}, 400, "/revenue_currency"),
            ({"agreed_by": str(uuid4())}, 400, "/agreed_by"),
        ],
    )
    def test_names_what_is_wrong_and_leaves_nothing(
        self, admin: Client, changes: dict[str, Any], status: int, pointer: str
    ) -> None:
        before = rows.counted()
        answer = admin.post("licences", PROPOSAL | changes)
        assert answer.status_code == status
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert "licences_licence" not in rows.added_since(before)

    def test_is_proposed_by_admins_alone_and_hidden_where_it_is_not(
        self, admin: Client, marta: Client
    ) -> None:
        assert marta.post("licences", PROPOSAL).status_code == 403
        assert marta.get(f"licences/{uuid4()}").status_code == 404
