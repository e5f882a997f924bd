"""What governs a brand, over the API: proposed, tried, read, and decided in its case."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from tests.factories import people
from tests.integration.api.client import Client

BRAND = {"name": "Brand", "role": "brand_reviewer"}
OFFICE = {"timezone": "Europe/Berlin", "week": {"mon": [["09:00", "17:30"]]}}
Person = Callable[..., Client]


@pytest.fixture
def person(ada: Actor, brand_id: UUID) -> Person:
    """Add a person with roles to the brand and sign them in."""

    def add(name: str, *roles: Role) -> Client:
        people.add(ada, name, brand_id=brand_id, roles=roles)
        return Client.signed_in(name)

    return add


@pytest.fixture
def mona(person: Person) -> Client:
    """A brand manager, in a brand that has another one and people who order and decide."""
    person("max", Role.BRAND_MANAGER)
    person("bruno", Role.BRAND_REVIEWER)
    person("marta", Role.MARKETER)
    return person("mona", Role.BRAND_MANAGER)


def _policy(brand_id: UUID, **changes: Any) -> dict[str, Any]:
    wanted = {
        "brand_id": str(brand_id),
        "subject_kind": "asset",
        "name": "Standard",
        "stages": [BRAND],
    }
    return wanted | changes


def _decide(client: Client, case_id: str, sha256: str) -> Any:
    body = {"verdict": "approve", "sha256": sha256}
    return client.post(f"cases/{case_id}/decisions", body)


class TestReviewPolicies:
    def test_are_proposed_shown_and_decided_by_another_manager(
        self, mona: Client, brand_id: UUID
    ) -> None:
        wanted = _policy(
            brand_id,
            stages=[{**BRAND, "due_min": 480, "escalate_to": "boss"},
                    {"name": "Boss", "role": "brand_manager", "position": 1}],
            checklist=[{"question": "Is the logo whole?", "stage_key": "brand"}],
            calendar=OFFICE,
        )  # fmt: skip
        answer = mona.post("review-policies", wanted)
        assert answer.status_code == 201, answer.content
        made = answer.json()
        assert answer.headers["Location"] == f"/api/v1/review-policies/{made['id']}"
        assert [s["key"] for s in made["stages"]] == ["brand", "boss"]
        assert made["approved_by"] is None

        other = Client.signed_in("max")
        # Nobody decides on what they have not seen.
        assert _decide(other, made["case_id"], made["sha256"]).json()["code"] == "not_seen"
        shown = other.get(f"review-policies/{made['id']}").json()
        assert shown == made
        decided = _decide(other, shown["case_id"], shown["sha256"])
        assert decided.json()["case_state"] == "approved", decided.content
        assert mona.get(f"review-policies/{made['id']}").json()["approved_by"] is not None

    def test_are_listed_with_those_that_every_brand_starts_with(
        self, mona: Client, brand_id: UUID
    ) -> None:
        listed = mona.get(f"review-policies?brand_id={brand_id}").json()["items"]
        assert {each["subject_kind"] for each in listed} == {
            "review_policy",
            "rule_set",
            "scoring_policy",
        }
        of_one = mona.get(f"review-policies?brand_id={brand_id}&subject_kind=rule_set").json()
        assert [each["number"] for each in of_one["items"]] == [1]

    def test_can_be_tried_without_a_trace(self, mona: Client, brand_id: UUID) -> None:
        answer = mona.post("review-policies/check", _policy(brand_id), idempotency_key=None)
        assert answer.status_code == 200, answer.content
        assert answer.json()["warnings"] == []
        assert answer.json()["stages"][0]["position"] == 1
        assert (
            mona.get(f"review-policies?brand_id={brand_id}&subject_kind=asset").json()["items"]
            == []
        )

    @pytest.mark.parametrize("path", ["review-policies", "review-policies/check"])
    def test_that_nobody_could_satisfy_are_refused(
        self, mona: Client, brand_id: UUID, path: str
    ) -> None:
        refused = mona.post(path, _policy(brand_id, stages=[{**BRAND, "quorum": 2}]))
        assert (refused.status_code, refused.json()["code"]) == (422, "policy_unsatisfiable")

    def test_warn_of_those_who_are_needed_for_their_own_orders(
        self, mona: Client, person: Person, brand_id: UUID
    ) -> None:
        both = person("bert", Role.MARKETER, Role.COMPLIANCE_REVIEWER)
        stages = [{"name": "Compliance", "role": "compliance_reviewer"}]
        made = mona.post("review-policies", _policy(brand_id, stages=stages)).json()
        assert [w["code"] for w in made["warnings"]] == ["requester_is_needed"]
        assert made["warnings"][0]["people"] == [both.get("me").json()["id"]]

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"stages": [{**BRAND, "role": "marketer"}]}, "/stages/0/role"),
            ({"stages": [{**BRAND, "who": "me"}]}, "/stages/0/who"),
            ({"stages": [{"name": "X", "people": [str(uuid4())]}]}, "/stages/0/people/0"),
            ({"stages": [{**BRAND, "due_min": 5, "escalate_to": "brand"}]},
             "/stages/0/escalate_to"),
            ({"calendar": {"timezone": "Mars"}}, "/calendar"),
            ({"calendar": []}, "/calendar"),
            ({"min_view_s": "5"}, "/min_view_s"),
            ({"checklist": [{}]}, "/checklist/0/question"),
        ],
    )  # fmt: skip
    def test_name_the_field_that_is_wrong(
        self, mona: Client, brand_id: UUID, change: dict[str, Any], pointer: str
    ) -> None:
        refused = mona.post("review-policies", _policy(brand_id, **change))
        assert refused.status_code == 400, refused.content
        assert refused.json()["errors"][0]["pointer"] == pointer

    def test_are_the_brands_own(self, mona: Client, stranger: Client, brand_id: UUID) -> None:
        made = mona.post("review-policies", _policy(brand_id)).json()
        assert stranger.get(f"review-policies/{made['id']}").status_code == 404
        assert stranger.get(f"review-policies?brand_id={brand_id}").json()["items"] == []
        assert stranger.post("review-policies", _policy(brand_id)).status_code == 404
        marketer = Client.signed_in("marta")
        assert marketer.post("review-policies", _policy(brand_id)).status_code == 403


class TestReviewGroups:
    def test_are_made_and_filled(self, mona: Client, brand_id: UUID) -> None:
        made = mona.post("review-groups", {"brand_id": str(brand_id), "name": "Legal"})
        assert made.status_code == 201, made.content
        where = f"review-groups/{made.json()['id']}"
        bruno = Client.signed_in("bruno").get("me").json()["id"]
        added = mona.post(f"{where}/members", {"person_id": bruno})
        assert (added.status_code, added.json()["members"]) == (201, [bruno])
        assert mona.get(where).json() == added.json()
        assert mona.get(f"review-groups?brand_id={brand_id}").json()["items"] == [added.json()]
        assert mona.delete(f"{where}/members/{bruno}").json()["members"] == []
        assert mona.delete(f"{where}/members/{bruno}").status_code == 404

    def test_take_members_of_the_brand_and_nobody_by_themselves(
        self, mona: Client, stranger: Client, brand_id: UUID
    ) -> None:
        made = mona.post("review-groups", {"brand_id": str(brand_id), "name": "Legal"}).json()
        where = f"review-groups/{made['id']}/members"
        outsider = stranger.get("me").json()["id"]
        assert mona.post(where, {"person_id": outsider}).status_code == 400
        assert mona.post(where, {"person_id": mona.get("me").json()["id"]}).status_code == 403
        assert stranger.get(f"review-groups/{made['id']}").status_code == 404


class TestRules:
    def test_are_proposed_shown_and_decided(self, mona: Client, brand_id: UUID) -> None:
        rule = {"category": "hazard_sign", "terms": ["hazard*"], "reason": "No hazard signs."}
        made = mona.post("rules", {"brand_id": str(brand_id), "rules": [rule]})
        assert made.status_code == 201, made.content
        assert made.json()["rules"][0]["terms"] == ["hazard*"]
        other = Client.signed_in("max")
        shown = other.get(f"rules/{made.json()['id']}").json()
        decided = _decide(other, shown["case_id"], shown["sha256"])
        assert decided.json()["case_state"] == "approved", decided.content
        (listed,) = mona.get(f"rules?brand_id={brand_id}").json()["items"]
        assert listed["approved_by"] == other.get("me").json()["id"]

    def test_that_are_malformed_name_the_rule(self, mona: Client, brand_id: UUID) -> None:
        refused = mona.post("rules", {"brand_id": str(brand_id), "rules": [{"terms": []}]})
        assert refused.status_code == 400

    def test_are_the_brands_own(self, mona: Client, stranger: Client, brand_id: UUID) -> None:
        made = mona.post("rules", {"brand_id": str(brand_id), "rules": []}).json()
        assert stranger.get(f"rules/{made['id']}").status_code == 404
        assert stranger.get(f"rules?brand_id={brand_id}").status_code == 404


class TestScoringPolicies:
    def test_are_proposed_shown_and_decided(self, mona: Client, brand_id: UUID) -> None:
        wanted = {
            "brand_id": str(brand_id),
            "advisory": True,
            "thresholds": {"sharpness": {"threshold": 0.1, "severity": "flag"}},
        }
        made = mona.post("scoring-policies", wanted)
        assert made.status_code == 201, made.content
        other = Client.signed_in("max")
        shown = other.get(f"scoring-policies/{made.json()['id']}").json()
        assert shown["thresholds"] == wanted["thresholds"]
        # The proposer never decides.
        assert _decide(mona, shown["case_id"], shown["sha256"]).status_code == 403
        decided = _decide(other, shown["case_id"], shown["sha256"])
        assert decided.json()["case_state"] == "approved", decided.content
        (listed,) = mona.get(f"scoring-policies?brand_id={brand_id}").json()["items"]
        assert listed["approved_at"] is not None

    def test_say_otherwise_for_a_market_in_one_document(
        self, mona: Client, admin: Client, brand_id: UUID
    ) -> None:
        germany = [{"code": "DE", "languages": ["de"]}]
        admin.send("PUT", f"brands/{brand_id}/markets", {"markets": germany})
        rule = {"threshold": 0.1, "severity": "flag"}
        wanted = {
            "brand_id": str(brand_id),
            "advisory": False,
            "thresholds": {"sharpness": rule},
            "markets": {"DE": {"thresholds": {"sharpness": {**rule, "severity": "refuse"}}}},
            "concepts": [{"name": "hazard sign", "prompts": ["a hazard sign"]}],
        }
        made = mona.post("scoring-policies", wanted)
        assert made.status_code == 201, made.content
        assert made.json()["markets"] == wanted["markets"]
        assert made.json()["concepts"] == wanted["concepts"]
        abroad = mona.post(
            "scoring-policies", {**wanted, "markets": {"FR": wanted["markets"]["DE"]}}
        )
        assert abroad.json()["errors"][0]["pointer"] == "/markets/FR"
        nowhere = {"unheard-of": wanted["markets"]["DE"]}
        unknown = mona.post("scoring-policies", {**wanted, "templates": nowhere})
        assert unknown.json()["errors"][0]["pointer"] == "/templates/unheard-of"

    def test_are_the_brands_own(self, mona: Client, stranger: Client, brand_id: UUID) -> None:
        wanted = {"brand_id": str(brand_id), "advisory": True, "thresholds": {}}
        refused = stranger.post("scoring-policies", wanted)
        assert refused.status_code == 404
        assert stranger.get(f"scoring-policies/{uuid4()}").status_code == 404
