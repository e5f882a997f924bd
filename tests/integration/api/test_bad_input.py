"""Bad orders over HTTP: each is told the field and the rule, and leaves exactly what it must."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client as Browser

from governance.kernel.roles import Role
from templates.brands import services as brands
from tests import rows
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World

VARIABLES = {"object": "mug", "color": "red"}


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def marta(world: World) -> Client:
    client = Client.signed_in("marta")
    client.get("me")
    return client


def order(world: World, **changes: Any) -> dict[str, Any]:
    variables = changes.pop("variables", {})
    if variables is not None and isinstance(variables, dict):
        variables = {k: v for k, v in {**VARIABLES, **variables}.items() if v is not ...}
    return {"template_id": str(world.version.template_id), "variables": variables, **changes}


MALFORMED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a variable of the wrong type": ({"variables": {"detail": 7}}, "/variables/detail", "type"),
    "a variable that is too long": (
        {"variables": {"detail": "x" * 41}},
        "/variables/detail",
        "maxLength",
    ),
    "control characters": (
        {"variables": {"detail": "a\x1b[2Jb"}},
        "/variables/detail",
        "characters",
    ),
    "an unknown variable": ({"variables": {"brand": "x"}}, "/variables/brand", "unknown"),
    "a missing variable": ({"variables": {"color": ...}}, "/variables/color", "required"),
    "a size that is no multiple of 16": ({"width": 250, "height": 256}, "/width", "multiple_of_16"),
    "a size that is not the template's": ({"width": 512, "height": 512}, "/width", "allowed"),
    "more variants than allowed": ({"variants": 9}, "/variants", "range"),
    "a seed out of range": ({"seed": 2**53}, "/seed", "range"),
    "a profile that is not allowed": ({"profile": "somebody-elses"}, "/profile", "allowed"),
}


class TestAMalformedOrder:
    @pytest.mark.parametrize(("change", "pointer", "rule"), MALFORMED.values(), ids=MALFORMED)
    def test_names_the_field_and_the_rule_and_leaves_no_row(
        self, world: World, marta: Client, change: dict[str, Any], pointer: str, rule: str
    ) -> None:
        before = rows.counted()
        answer = marta.post("jobs", order(world, **change))
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_input"
        assert [(e["pointer"], e["rule"]) for e in answer.json()["errors"]] == [(pointer, rule)]
        assert rows.added_since(before) == {}

    @pytest.mark.parametrize("value", [[], "mug", 7, None])
    def test_whose_variables_are_no_object_is_malformed(
        self, world: World, marta: Client, value: Any
    ) -> None:
        before = rows.counted()
        answer = marta.post("jobs", order(world, variables=value))
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/variables"
        assert rows.added_since(before) == {}

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'{"a": 1, "a": 2}', b'{"seed": NaN}', b"\xff"]
    )
    def test_that_is_no_json_object_leaves_no_row(
        self, world: World, marta: Client, body: bytes
    ) -> None:
        before = rows.counted()
        assert marta.post("jobs", body).status_code == 400
        assert rows.added_since(before) == {}

    def test_names_every_part_that_is_wrong(self, world: World, marta: Client) -> None:
        answer = marta.post("jobs", order(world, variables={"object": "tank", "color": 7}))
        pointers = {error["pointer"] for error in answer.json()["errors"]}
        assert "/variables/object" in pointers

    def test_may_be_sent_again_under_its_key_once_it_is_right(
        self, world: World, marta: Client
    ) -> None:
        key = str(uuid4())
        assert marta.post("jobs", order(world, variants=9), idempotency_key=key).status_code == 400
        assert marta.post("jobs", order(world), idempotency_key=key).status_code == 202


class TestAnOrderThatIsNotAllowed:
    def test_on_the_brand_is_not_permitted(self, world: World) -> None:
        bruno = Client.signed_in("bruno")
        before = rows.counted()
        answer = bruno.post("jobs", order(world))
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
        # The answer itself is kept for whoever sends the request again.
        assert rows.added_since(before) == {"api_idempotentrequest": 1}

    def test_in_another_brand_finds_nothing(self, world: World) -> None:
        ada = people.acting("ada")
        other = brands.create_brand(
            actor=ada, slug="southwind", name="Southwind", palette=[], now=people.NOW
        )
        people.add(ada, "sam", brand_id=other.id, roles=[Role.MARKETER])
        sam = Client.signed_in("sam")
        before = rows.counted()
        answer = sam.post("jobs", order(world))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert rows.added_since(before) == {"api_idempotentrequest": 1}

    def test_without_a_session_is_told_to_sign_in(self, world: World) -> None:
        before = rows.counted()
        assert Client().post("jobs", order(world)).status_code in {401, 403}
        assert rows.added_since(before) == {}

    def test_by_a_rule_leaves_exactly_its_refusal_and_its_answer(
        self, world: World, marta: Client
    ) -> None:
        before = rows.counted()
        answer = marta.post("jobs", order(world, variables={"detail": "a hazard sign"}))
        assert (answer.status_code, answer.json()["code"]) == (422, "order_refused")
        error = answer.json()["errors"][0]
        assert (error["pointer"], error["rule"]) == ("/variables/detail", "hazard_sign")
        assert rows.added_since(before) == REFUSED

    def test_by_the_quota_leaves_exactly_its_refusal_and_its_answer(
        self, world: World, marta: Client
    ) -> None:
        before = rows.counted()
        answer = marta.post("jobs", order(world, variants=6))
        assert (answer.status_code, answer.json()["code"]) == (422, "quota_exceeded")
        error = answer.json()["errors"][0]
        assert (error["pointer"], error["rule"]) == ("/variants", "quota")
        assert rows.added_since(before) == REFUSED


REFUSED = {
    "api_idempotentrequest": 1,
    "ledger_entry": 1,
    "ledger_pending": 1,
    "refusals_refusal": 1,
}


class TestAnUnknownId:
    @pytest.mark.parametrize(
        "path",
        ["jobs", "templates", "assets", "cases", "releases", "publications", "refusals", "brands"],
    )
    @pytest.mark.parametrize("name", ["01890a5d-ac96-774b-bcce-b302099a8057", "7", "..", "%00"])
    def test_is_a_problem_document_and_not_a_page(
        self, world: World, marta: Client, path: str, name: str
    ) -> None:
        before = rows.counted()
        answer = marta.get(f"{path}/{name}")
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
        assert rows.added_since(before) == {}

    def test_of_a_template_in_an_order_names_the_field(self, world: World, marta: Client) -> None:
        before = rows.counted()
        answer = marta.post("jobs", order(world, template_id=str(uuid4())))
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["pointer"] == "/template_id"
        assert rows.added_since(before) == {"api_idempotentrequest": 1}

    def test_is_the_same_to_a_stranger(self, world: World) -> None:
        assert Browser().get(f"/api/v1/jobs/{uuid4()}").status_code in {401, 403}
