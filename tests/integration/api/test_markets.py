"""Markets over the API: set by an admin, chosen in an order, and their rules in a preview."""

from typing import Any
from uuid import UUID

from tests.integration.api.client import Client

MARKETS = [{"code": "DE", "languages": ["de"]}, {"code": "FR", "languages": ["fr"]}]


class TestMarkets:
    def test_are_set_by_an_admin_and_shown_with_the_brand(
        self, admin: Client, marta: Client, brand_id: UUID
    ) -> None:
        assert marta.get(f"brands/{brand_id}").json()["markets"] == []
        answer = admin.send("PUT", f"brands/{brand_id}/markets", {"markets": MARKETS})
        assert (answer.status_code, answer.json()["markets"]) == (200, MARKETS)
        assert marta.get(f"brands/{brand_id}").json()["markets"] == MARKETS

    def test_are_set_by_nobody_else(self, marta: Client, stranger: Client, brand_id: UUID) -> None:
        for client, status in ((marta, 403), (stranger, 404), (Client(), 401)):
            answer = client.send("PUT", f"brands/{brand_id}/markets", {"markets": MARKETS})
            assert answer.status_code == status

    def test_that_are_malformed_are_refused_by_place(self, admin: Client, brand_id: UUID) -> None:
        wrong: list[tuple[Any, str]] = [
            ([{"code": "XX", "languages": ["de"]}], "/markets/0/code"),
            ([{"code": "DE", "languages": []}], "/markets/0/languages"),
            ([{"code": "DE"}], "/markets/0/languages"),
            ([{"code": 49, "languages": ["de"]}], "/markets/0/code"),
        ]
        for markets, pointer in wrong:
            answer = admin.send("PUT", f"brands/{brand_id}/markets", {"markets": markets})
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["pointer"] == pointer
