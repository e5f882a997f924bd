"""Keys over the API: shown once, replayed without the secret, within their scopes, without CSRF."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from imprimatur.accounts.models import ApiKey
from imprimatur.api.models import IdempotentRequest

from governance.kernel.actors import Actor
from governance.kernel.clock import now
from tests.factories import people
from tests.integration.api.client import Client


def wanted(**changes: Any) -> dict[str, Any]:
    ends = (now() + timedelta(days=30)).isoformat()
    return {"name": "CMS", "scopes": ["brands:brand:read"], "expires_at": ends, **changes}


class TestCreateKey:
    def test_shows_it_and_it_works(self, marta: Client, brand_id: UUID) -> None:
        answer = marta.post("keys", wanted())
        assert answer.status_code == 201
        made = answer.json()
        assert answer.headers["Location"] == f"/api/v1/keys/{made['id']}"
        brands = Client(key=made["key"]).get("brands").json()["items"]
        assert [brand["id"] for brand in brands] == [str(brand_id)]

    def test_replays_without_the_secret(self, marta: Client) -> None:
        body = wanted()
        first = marta.post("keys", body, idempotency_key="k-1")
        again = marta.post("keys", body, idempotency_key="k-1")
        assert again.status_code == 201
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json() == {**first.json(), "key": None}
        assert ApiKey.objects.count() == 1

    def test_leaves_the_secret_in_no_table(self, marta: Client) -> None:
        made = marta.post("keys", wanted()).json()
        secret = made["key"].encode()
        assert all(secret not in bytes(r.answer or b"") for r in IdempotentRequest.objects.all())

    def test_is_never_listed_with_its_secret(self, marta: Client) -> None:
        made = marta.post("keys", wanted()).json()
        listed = marta.get("keys")
        assert [key["id"] for key in listed.json()["items"]] == [made["id"]]
        assert made["key"] not in listed.content.decode()

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"scopes": ["review:case:decide"]}, "/scopes/0"),
            ({"scopes": []}, "/scopes"),
            ({"scopes": "brands:brand:read"}, "/scopes"),
            ({"expires_at": "2026-11-20T12:00:00"}, "/expires_at"),
            ({"expires_at": "soon"}, "/expires_at"),
            ({"name": "line\nbreak"}, "/name"),
            ({"name": 7}, "/name"),
            ({"admin": True}, "/admin"),
        ],
    )
    def test_names_what_is_wrong_and_leaves_nothing(
        self, marta: Client, change: dict[str, Any], pointer: str
    ) -> None:
        answer = marta.post("keys", wanted(**change))
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert not ApiKey.objects.exists()
        assert not IdempotentRequest.objects.exists()


class TestUseKey:
    def test_needs_no_csrf_token(self, ada: Actor) -> None:
        _, text = people.key(ada, "brands:brand:read")
        assert Client(key=text).get("brands").status_code == 200

    def test_stays_within_its_scopes(self, ada: Actor) -> None:
        _, text = people.key(ada, "registry:profile:read")
        assert Client(key=text).get("brands").json()["items"] == []

    @pytest.mark.parametrize("key", ["imp_0123456789ab_" + "A" * 43, "nonsense", "a b"])
    def test_refuses_a_wrong_key_even_beside_a_session(self, marta: Client, key: str) -> None:
        marta.key = key
        answer = marta.get("me")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")

    def test_makes_no_keys(self, ada: Actor) -> None:
        _, text = people.key(ada, "brands:brand:read")
        assert Client(key=text).post("keys", wanted()).status_code == 403

    def test_is_over_when_revoked(self, marta: Client) -> None:
        made = marta.post("keys", wanted()).json()
        revoked = marta.delete(f"keys/{made['id']}")
        assert revoked.json()["revoked_at"]
        assert Client(key=made["key"]).get("me").status_code == 401

    def test_is_nobody_elses_business(self, marta: Client, stranger: Client) -> None:
        made = marta.post("keys", wanted()).json()
        assert stranger.delete(f"keys/{made['id']}").status_code == 404
        assert Client(key=made["key"]).get("me").status_code == 200
