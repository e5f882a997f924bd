"""Asking for more over the API: the refusal says how, somebody else decides, both are on record."""

from typing import Any
from uuid import uuid4

import pytest

from governance.kernel.clock import now
from governance.quota.periods import period_of
from tests import rows
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World


@pytest.fixture
def world(settings: Any, tmp_path: Any, db: None) -> World:
    settings.DESTINATION_ROOTS = [tmp_path]
    return worlds.make(tmp_path, tmp_path)


@pytest.fixture
def marta(world: World) -> Client:
    return Client.signed_in("marta")


@pytest.fixture
def grace(world: World) -> Client:
    return Client.signed_in("grace")


def asking(world: World, **changes: Any) -> dict[str, Any]:
    return {
        "brand_id": str(world.brand.id),
        "holder_kind": "user",
        "holder_id": str(people.acting("marta").id),
        "period": period_of(now()),
        "amount": 20,
        "reason": "The spring campaign.",
        **changes,
    }


class TestMore:
    def test_is_asked_for_after_a_refusal_and_granted_by_another(
        self, world: World, marta: Client, grace: Client
    ) -> None:
        order = {
            "template_id": str(world.version.template_id),
            "variables": {"object": "mug", "color": "red"},
            "variants": 6,
        }
        refused = marta.post("jobs", order).json()
        assert refused["code"] == "quota_exceeded"
        assert "quota request" in refused["detail"]
        facts = refused["facts"]
        asked = marta.post(
            "quota-requests",
            asking(world, holder_kind=facts["holder_kind"], period=facts["period"]),
        )
        assert asked.status_code == 201
        mine = asked.headers["Location"]
        assert marta.get(mine).json() == asked.json()
        decided = grace.post(f"{mine}/decision", {"decision": "grant", "amount": 4})
        assert decided.status_code == 201
        assert (decided.json()["state"], decided.json()["granted"]) == ("granted", 4)
        assert marta.post(mine + "/decision", {"decision": "grant"}).status_code == 403
        still = marta.post("jobs", order).json()
        assert still["facts"]["holder_kind"] == "brand"
        brands = asking(world, holder_kind="brand", holder_id=str(world.brand.id))
        mine = marta.post("quota-requests", brands).headers["Location"]
        assert grace.post(f"{mine}/decision", {"decision": "grant"}).json()["granted"] == 20
        assert marta.post("jobs", order).status_code == 202

    def test_is_declined_with_a_reason_and_withdrawn_without(
        self, world: World, marta: Client, grace: Client
    ) -> None:
        first = marta.post("quota-requests", asking(world)).headers["Location"]
        assert grace.post(f"{first}/decision", {"decision": "decline"}).status_code == 400
        answer = {"decision": "decline", "answer": "Not this month."}
        assert grace.post(f"{first}/decision", answer).json()["answer"] == "Not this month."
        assert grace.post(f"{first}/decision", answer).json()["code"] == "illegal_transition"
        second = marta.post("quota-requests", asking(world)).headers["Location"]
        assert grace.post(f"{second}/withdrawal").status_code == 403
        assert marta.post(f"{second}/withdrawal").json()["state"] == "withdrawn"
        listed = marta.get("quota-requests?state=declined").json()["items"]
        assert [each["answer"] for each in listed] == ["Not this month."]

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"amount": 0}, "/amount"),
            ({"amount": -3}, "/amount"),
            ({"amount": 1_000_000_001}, "/amount"),
            ({"amount": 2.5}, "/amount"),
            ({"amount": "many"}, "/amount"),
            ({"period": "2026-13"}, "/period"),
            ({"period": "2020-01"}, "/period"),
            ({"holder_kind": "team"}, "/holder_kind"),
            ({"reason": ""}, "/reason"),
            ({"cost": 1}, "/cost"),
        ],
    )
    def test_names_what_is_wrong_and_leaves_nothing(
        self, world: World, marta: Client, changes: dict[str, Any], pointer: str
    ) -> None:
        before = rows.counted()
        answer = marta.post("quota-requests", asking(world, **changes))
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert "quota_request" not in rows.added_since(before)

    def test_of_a_foreign_brand_or_somebody_else_is_refused(
        self, world: World, marta: Client
    ) -> None:
        assert marta.post("quota-requests", asking(world, brand_id=str(uuid4()))).status_code == 404
        foreign = asking(world, holder_id=str(people.acting("bruno").id))
        assert marta.post("quota-requests", foreign).status_code == 403
        assert marta.get(f"quota-requests/{uuid4()}").status_code == 404


class TestUse:
    def test_lists_what_was_used_with_its_cost(self, world: World, grace: Client) -> None:
        found = grace.get("quotas/usage").json()["items"]
        assert {each["holder_kind"] for each in found} == {"user", "brand", "model"}
        assert {each["images"] for each in found} == {0}
        assert {each["costs"]["own"] for each in found} == {None}
        assert grace.get("quotas/usage?period=soon").status_code == 400

    def test_is_ones_own_for_a_marketer(self, world: World, marta: Client) -> None:
        found = marta.get("quotas/usage").json()["items"]
        assert [each["holder_kind"] for each in found] == ["user"]
