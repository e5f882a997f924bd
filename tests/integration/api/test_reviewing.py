"""The queue over the API: the next case, claims, many decisions at once, a fresh password."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.review import selectors
from tests.factories import people, review
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Any) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def bruno(world: World) -> Client:
    return Client.signed_in("bruno")


def _decision(world: World, **changes: Any) -> dict[str, Any]:
    return {"verdict": "approve", "sha256": world.case.subject.sha256, **changes}


class TestNextCase:
    def test_is_claimed_and_answered(self, world: World, bruno: Client) -> None:
        body = bruno.post("cases/next", {}).json()
        assert body["case"]["id"] == str(world.case.id)
        (claim,) = body["case"]["stage"]["claims"]
        assert claim["person_id"] == bruno.get("me").json()["id"]
        assert bruno.post("cases/next", {"market": "XX"}).json() == {"case": None}

    def test_is_nobodys_who_reviews_nothing(self, world: World) -> None:
        assert Client.signed_in("marta").post("cases/next", {}).json() == {"case": None}


class TestClaim:
    def test_is_told_to_others_and_can_be_given_back(self, world: World, bruno: Client) -> None:
        path = f"cases/{world.case.id}/claim"
        held = bruno.post(path, {"minutes": 5}).json()
        assert held["until"] > now().isoformat()
        other = people.add(
            people.acting("ada"),
            "berta",
            brand_id=world.brand.id,
            roles=[review.Role.BRAND_REVIEWER],
        )
        berta = Client.signed_in("berta")
        refused = berta.post(path, {})
        assert (refused.status_code, refused.json()["code"]) == (409, "claimed_by_other")
        assert refused.json()["facts"]["person_id"] != str(other.id)
        assert bruno.delete(path).status_code == 204
        assert berta.post(path, {}).status_code == 200


class TestManyDecisions:
    def test_are_answered_one_by_one(self, world: World, bruno: Client) -> None:
        risky = review.open_case(world.team, risk=90)
        for case in (world.case, risky):
            review.deliver(case, people.acting("bruno"), now())
        answer = bruno.post(
            "cases/decisions",
            {
                "decisions": [
                    _decision(world, case_id=str(world.case.id)),
                    _decision(world, case_id=str(risky.id), sha256=risky.subject.sha256),
                    _decision(world, case_id=str(uuid4())),
                ]
            },
            idempotency_key=None,
        )
        results = answer.json()["results"]
        assert [(one["status"], one["code"]) for one in results] == [
            (201, None),
            (422, "too_risky_for_bulk"),
            (404, "not_found"),
        ]
        assert results[0]["decision"]["case_state"] == "open"
        assert selectors.get_case(SYSTEM, risky.id).stages[0].decisions == ()


class TestPassword:
    def test_is_needed_lately_and_can_be_given_again(self, world: World, bruno: Client) -> None:
        review.deliver(world.case, people.acting("bruno"), now())
        session = bruno.browser.session
        session["authenticated_at"] = (now() - timedelta(hours=1)).isoformat()
        session.save()
        path = f"cases/{world.case.id}/decisions"
        refused = bruno.post(path, _decision(world))
        assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_needed")
        assert bruno.get(f"cases/{world.case.id}").status_code == 200
        wrong = bruno.post("session/reauthentication", {"password": "not this one"})
        assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
        answer = bruno.post("session/reauthentication", {"password": people.PASSWORD})
        assert answer.status_code == 200
        assert answer.json()["authenticated_at"]
        assert bruno.post(path, _decision(world)).status_code == 201

    def test_is_never_a_keys(self, world: World) -> None:
        _, text = people.key(people.acting("bruno"), "review:case:read")
        answer = Client(key=text).post("session/reauthentication", {"password": people.PASSWORD})
        assert answer.status_code == 401


class TestChanges:
    def test_hold_up_what_would_be_published(self, world: World, bruno: Client) -> None:
        clara = Client.signed_in("clara")
        for username, who, said in (
            ("bruno", bruno, {"verdict": "approve_with_changes", "reason": "The caption."}),
            ("clara", clara, {"verdict": "approve"}),
        ):
            review.deliver(world.case, people.acting(username), now())
            path = f"cases/{world.case.id}/decisions"
            assert who.post(path, _decision(world, **said)).status_code == 201
        decision = clara.get(f"cases/{world.case.id}").json()["stages"][0]["decisions"][0]
        path = f"decisions/{decision['id']}/confirmation"
        confirmed = clara.post(path, {"note": "It is new."})
        assert confirmed.status_code == 201
        assert confirmed.json()["stages"][0]["decisions"][0]["confirmed_by"]
        assert clara.post(path, {}).json()["code"] == "already_confirmed"
