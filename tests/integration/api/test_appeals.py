"""Over the API: a refusal is appealed, decided by people alone, overridden, and then let pass."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from imprimatur.api.models import IdempotentRequest

from governance.ledger.models import Entry
from governance.refusals.models import Appeal, Override
from governance.sealing import services as sealing
from tests import rows
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World

ARGUMENT = "It is a badge of our own Hazard family."
REASON = "A family name, not a warning."


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def marta(world: World) -> Client:
    return Client.signed_in("marta")


@pytest.fixture
def clara(world: World) -> Client:
    return Client.signed_in("clara")


def order(world: World, **changes: Any) -> dict[str, Any]:
    """Return an order whose words break a rule of the brand."""
    variables = {"object": "mug", "color": "red", "detail": "a h4zard badge"}
    return {"template_id": str(world.version.template_id), "variables": variables} | changes


def refused(world: World, client: Client, **changes: Any) -> UUID:
    """Order, and return the refusal's id."""
    answer = client.post("jobs", order(world, **changes))
    assert answer.status_code == 422
    return UUID(answer.json()["facts"]["refusal_id"])


def appealed(client: Client, refusal_id: UUID) -> dict[str, Any]:
    answer = client.post(f"refusals/{refusal_id}/appeal", {"argument": ARGUMENT})
    assert answer.status_code == 201
    opened: dict[str, Any] = answer.json()
    return opened


def last_event() -> str:
    entry = Entry.objects.order_by("id").last()
    assert entry is not None
    return entry.event


class TestAppeal:
    def test_leads_to_a_decision_and_one_order_of_these_words(
        self, world: World, marta: Client, clara: Client
    ) -> None:
        refusal_id = refused(world, marta)
        opened = appealed(marta, refusal_id)
        assert (opened["state"], opened["refusal"]["id"]) == ("open", str(refusal_id))
        (waiting,) = clara.get("appeals?decidable=true").json()["items"]
        assert (waiting["id"], waiting["argument"]) == (opened["id"], None)
        assert clara.get(f"appeals/{opened['id']}").json()["argument"] == ARGUMENT
        words = clara.get(f"refusals/{refusal_id}/words").json()["words"]
        assert "h4zard badge" in words
        assert last_event() == "refusals.refusal.revealed"
        decided = clara.post(
            f"appeals/{opened['id']}/decision", {"ruling": "overturn", "reason": REASON}
        )
        assert decided.status_code == 201
        assert decided.json()["state"] == "overturned"
        told = marta.get(decided.headers["Location"]).json()
        assert (told["reason"], told["decided_by"]) == (REASON, str(people.acting("clara").id))
        assert marta.get(f"refusals/{refusal_id}").json()["override_id"] is not None
        assert clara.get("appeals?decidable=true").json()["items"] == []
        assert marta.post("jobs", order(world)).status_code == 202
        assert marta.post("jobs", order(world)).status_code == 422

    def test_can_be_lost(self, world: World, marta: Client, clara: Client) -> None:
        opened = appealed(marta, refused(world, marta))
        body = {"ruling": "uphold", "reason": "It reads as a warning."}
        assert clara.post(f"appeals/{opened['id']}/decision", body).json()["state"] == "upheld"
        again = clara.post(f"appeals/{opened['id']}/decision", body)
        assert (again.status_code, again.json()["code"]) == (409, "appeal_closed")
        assert last_event() == "refusals.appeal.attempt_refused"
        late = clara.post(
            f"refusals/{opened['refusal']['id']}/override", {"reason": "I see it otherwise."}
        )
        assert (late.status_code, late.json()["code"]) == (409, "appeal_exists")

    def test_is_taken_back(self, world: World, marta: Client, clara: Client) -> None:
        refusal_id = refused(world, marta)
        opened = appealed(marta, refusal_id)
        address = f"appeals/{opened['id']}/withdrawal"
        assert clara.post(address).status_code == 403
        assert marta.post(address).json()["state"] == "withdrawn"
        assert marta.post(address).json()["code"] == "appeal_closed"
        assert appealed(marta, refusal_id)["id"] != opened["id"]

    def test_is_answered_once_per_key_without_keeping_anybodys_text(
        self, world: World, marta: Client, clara: Client
    ) -> None:
        refusal_id, key = refused(world, marta), str(uuid4())
        address, body = f"refusals/{refusal_id}/appeal", {"argument": ARGUMENT}
        first = marta.post(address, body, idempotency_key=key)
        second = marta.post(address, body, idempotency_key=key)
        assert second.headers["Idempotency-Replayed"] == "true"
        assert second.json() == first.json() | {"argument": None}
        decision = f"appeals/{first.json()['id']}/decision"
        clara.post(decision, {"ruling": "uphold", "reason": REASON})
        kept = [
            sealing.reveal(sealed=bytes(row.answer or b""), purpose="api.answer")
            for row in IdempotentRequest.objects.filter(actor_id=people.acting("clara").id)
        ]
        assert kept
        assert not any(ARGUMENT in (text or "") for text in kept)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/argument"),
            ({"argument": ""}, "/argument"),
            ({"argument": 7}, "/argument"),
            ({"argument": "x" * 4001}, "/argument"),
            ({"argument": "Because.", "state": "overturned"}, "/state"),
        ],
    )
    def test_that_is_malformed_leaves_nothing(
        self, world: World, marta: Client, body: dict[str, Any], pointer: str
    ) -> None:
        refusal_id = refused(world, marta)
        before = rows.counted()
        answer = marta.post(f"refusals/{refusal_id}/appeal", body)
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert rows.added_since(before) == {}

    def test_of_blanks_says_nothing(self, world: World, marta: Client) -> None:
        answer = marta.post(f"refusals/{refused(world, marta)}/appeal", {"argument": " \n"})
        assert (answer.status_code, answer.json()["code"]) in (
            (400, "invalid_input"),
            (422, "argument_required"),
        )
        assert not Appeal.objects.exists()

    def test_is_not_for_others(self, world: World, marta: Client) -> None:
        refusal_id = refused(world, marta)
        for username, status in (("clara", 403), ("otto", 403), ("ada", 404)):
            client = Client.signed_in(username)
            body = {"argument": "I know better."}
            assert client.post(f"refusals/{refusal_id}/appeal", body).status_code == status
        assert not Appeal.objects.exists()

    def test_is_heard_once(self, world: World, marta: Client) -> None:
        refusal_id = refused(world, marta)
        appealed(marta, refusal_id)
        again = marta.post(f"refusals/{refusal_id}/appeal", {"argument": "Once more."})
        assert (again.status_code, again.json()["code"]) == (409, "appeal_exists")

    def test_against_a_quota_is_told_to_ask_for_more(
        self, world: World, marta: Client, clara: Client
    ) -> None:
        variables = {"object": "mug", "color": "red"}
        refusal_id = refused(world, marta, variables=variables, variants=6)
        assert marta.get(f"refusals/{refusal_id}").json()["overridable_by"] is None
        for client, act, body in (
            (marta, "appeal", {"argument": "We need them."}),
            (clara, "override", {"reason": "They need them."}),
        ):
            answer = client.post(f"refusals/{refusal_id}/{act}", body)
            assert (answer.status_code, answer.json()["code"]) == (422, "refusal_not_overridable")
            assert "ask for more" in answer.json()["detail"]


class TestDecision:
    @pytest.mark.parametrize(
        ("username", "status"),
        [("marta", 403), ("bruno", 404), ("otto", 403), ("ada", 404)],
    )
    def test_is_not_for_other_roles(
        self, world: World, marta: Client, username: str, status: int
    ) -> None:
        opened = appealed(marta, refused(world, marta))
        answer = Client.signed_in(username).post(
            f"appeals/{opened['id']}/decision", {"ruling": "overturn", "reason": REASON}
        )
        assert answer.status_code == status
        assert Appeal.objects.get().state == "open"
        assert (last_event() == "refusals.appeal.attempt_refused") is (status == 403)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"reason": REASON}, "/ruling"),
            ({"ruling": "allow", "reason": REASON}, "/ruling"),
            ({"ruling": "uphold"}, "/reason"),
            ({"ruling": "uphold", "reason": ""}, "/reason"),
            ({"ruling": "uphold", "reason": "x" * 4001}, "/reason"),
        ],
    )
    def test_that_is_malformed_is_named_and_decides_nothing(
        self, world: World, marta: Client, clara: Client, body: dict[str, Any], pointer: str
    ) -> None:
        opened = appealed(marta, refused(world, marta))
        answer = clara.post(f"appeals/{opened['id']}/decision", body)
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert Appeal.objects.get().state == "open"

    def test_by_whoever_was_refused_is_told_why_not(self, world: World, marta: Client) -> None:
        from imprimatur.accounts import services as accounts

        from governance.kernel.roles import Role

        opened = appealed(marta, refused(world, marta))
        accounts.grant_role(
            actor=people.acting("ada"),
            user_id=people.acting("marta").id,
            brand_id=world.brand.id,
            role=Role.COMPLIANCE_REVIEWER,
            now=people.NOW,
        )
        answer = marta.post(
            f"appeals/{opened['id']}/decision", {"ruling": "overturn", "reason": REASON}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "had_a_part")
        assert marta.get("appeals?decidable=true").json()["items"] == []
        assert last_event() == "refusals.appeal.attempt_refused"

    def test_is_never_a_keys(self, world: World, marta: Client) -> None:
        opened = appealed(marta, refused(world, marta))
        _key, secret = people.key(people.acting("clara"), "refusals:appeal:read")
        client = Client(secret)
        assert client.get(f"appeals/{opened['id']}").status_code == 200
        body = {"ruling": "overturn", "reason": REASON}
        assert client.post(f"appeals/{opened['id']}/decision", body).status_code == 403


class TestOverride:
    def test_lifts_a_refusal_without_an_appeal(
        self, world: World, marta: Client, clara: Client
    ) -> None:
        refusal_id = refused(world, marta)
        answer = clara.post(f"refusals/{refusal_id}/override", {"reason": REASON})
        assert answer.status_code == 201
        assert answer.json()["valid_until"] is not None
        assert clara.get(answer.headers["Location"]).json()["override_id"] == answer.json()["id"]
        again = clara.post(f"refusals/{refusal_id}/override", {"reason": REASON})
        assert (again.status_code, again.json()["code"]) == (409, "already_overridden")
        assert last_event() == "refusals.override.attempt_refused"
        assert marta.post("jobs", order(world)).status_code == 202

    @pytest.mark.parametrize(("username", "status"), [("marta", 403), ("bruno", 403), ("ada", 404)])
    def test_is_not_for_other_roles(
        self, world: World, marta: Client, username: str, status: int
    ) -> None:
        refusal_id = refused(world, marta)
        client = Client.signed_in(username)
        answer = client.post(f"refusals/{refusal_id}/override", {"reason": REASON})
        assert answer.status_code == status
        assert client.get(f"refusals/{refusal_id}/words").status_code == status
        assert not Override.objects.exists()

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 4001}])
    def test_needs_a_reason(
        self, world: World, marta: Client, clara: Client, body: dict[str, Any]
    ) -> None:
        answer = clara.post(f"refusals/{refused(world, marta)}/override", body)
        assert answer.status_code == 400
        assert not Override.objects.exists()


class TestLists:
    def test_are_filtered(self, world: World, marta: Client, clara: Client) -> None:
        first, second = (appealed(marta, refused(world, marta)) for _ in range(2))
        clara.post(
            f"appeals/{first['id']}/decision", {"ruling": "uphold", "reason": "It is a warning."}
        )
        for query, found in (
            ("", [second, first]),
            ("?state=upheld", [first]),
            ("?decidable=true", [second]),
            (f"?refusal_id={first['refusal']['id']}", [first]),
            (f"?brand_id={uuid4()}", []),
            ("?limit=1", [second]),
        ):
            listed = clara.get(f"appeals{query}").json()["items"]
            assert [each["id"] for each in listed] == [each["id"] for each in found], query

    @pytest.mark.parametrize("query", ["state=lost", "decidable=perhaps", "refusal_id=7"])
    def test_refuse_nonsense(self, world: World, clara: Client, query: str) -> None:
        assert clara.get(f"appeals?{query}").status_code == 400
