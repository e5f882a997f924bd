"""Sending a request twice: the act happens once, the first answer comes again, races included."""

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from imprimatur.accounts import services
from imprimatur.accounts.errors import AlreadyGranted
from imprimatur.accounts.models import Membership, User
from imprimatur.api import idempotency
from imprimatur.api.models import IdempotentRequest

from governance.kernel.actors import Actor
from governance.kernel.clock import now
from governance.kernel.roles import Role
from tests.factories import people
from tests.integration.api.client import Client

NEW = {"username": "bruno", "name": "Bruno Example", "password": people.PASSWORD}


class TestOnce:
    def test_needs_a_key(self, admin: Client) -> None:
        answer = admin.post("users", NEW, idempotency_key=None)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
        assert answer.json()["errors"][0]["header"] == "Idempotency-Key"
        assert User.objects.count() == 2

    @pytest.mark.parametrize("key", ["", "two words", "x" * 256])
    def test_refuses_an_unusable_key(self, admin: Client, key: str) -> None:
        assert admin.post("users", NEW, idempotency_key=key).status_code == 400

    def test_answers_again_what_it_answered_first(self, admin: Client) -> None:
        first = admin.post("users", NEW, idempotency_key="k")
        again = admin.post("users", NEW, idempotency_key="k")
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["Location"] == first.headers["Location"]
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        assert User.objects.count() == 3

    def test_refuses_another_body(self, admin: Client) -> None:
        admin.post("users", NEW, idempotency_key="k")
        answer = admin.post("users", {**NEW, "username": "clara"}, idempotency_key="k")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    def test_refuses_another_address(self, admin: Client, brand_id: UUID) -> None:
        user_id = admin.post("users", NEW, idempotency_key="k").json()["id"]
        body = {"role": "marketer", "brand_id": str(brand_id)}
        answer = admin.post(f"users/{user_id}/roles", body, idempotency_key="k")
        assert answer.json()["code"] == "idempotency_key_reused"

    def test_takes_the_same_key_from_somebody_else(self, admin: Client, ada: Actor) -> None:
        admin.post("users", NEW, idempotency_key="k")
        grace = Client.signed_in("grace")
        other = {**NEW, "username": "clara"}
        assert grace.post("users", other, idempotency_key="k").status_code == 201

    def test_repeats_a_conflict_too(self, admin: Client, brand_id: UUID) -> None:
        user_id = admin.post("users", NEW).json()["id"]
        body = {"role": "marketer", "brand_id": str(brand_id)}
        admin.post(f"users/{user_id}/roles", body)
        first = admin.post(f"users/{user_id}/roles", body, idempotency_key="again")
        again = admin.post(f"users/{user_id}/roles", body, idempotency_key="again")
        assert first.json()["code"] == AlreadyGranted.code
        assert again.json() == first.json()
        assert again.headers["Content-Type"] == "application/problem+json"
        assert again.headers["Idempotency-Replayed"] == "true"

    def test_leaves_nothing_of_malformed_input(self, admin: Client) -> None:
        answer = admin.post("users", {**NEW, "username": "NO"}, idempotency_key="k")
        assert answer.status_code == 400
        assert not IdempotentRequest.objects.exists()
        assert admin.post("users", NEW, idempotency_key="k").status_code == 201

    def test_leaves_nothing_of_a_failure(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(services, "create_user", lambda **_: 1 / 0)
            assert admin.post("users", NEW, idempotency_key="k").status_code == 500
        assert not IdempotentRequest.objects.exists()
        assert admin.post("users", NEW, idempotency_key="k").status_code == 201

    def test_rolls_the_act_back_when_the_answer_cannot_be_kept(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(idempotency, "_finish", lambda *_: 1 / 0)
            assert admin.post("users", NEW, idempotency_key="k").status_code == 500
        assert User.objects.count() == 2
        assert admin.post("users", NEW, idempotency_key="k").status_code == 201

    def test_keeps_the_answer_sealed(self, admin: Client) -> None:
        admin.post("users", NEW, idempotency_key="my-order-of-bruno")
        row = IdempotentRequest.objects.get()
        assert b"Bruno" not in bytes(row.answer or b"")
        assert "bruno" not in row.key_sha256


class TestInFlight:
    @pytest.fixture
    def lost(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> IdempotentRequest:
        """A request whose process died between its two transactions."""
        with monkeypatch.context() as dying:
            dying.setattr(idempotency, "_forget", lambda _: None)
            dying.setattr(services, "create_user", lambda **_: 1 / 0)
            admin.post("users", NEW, idempotency_key="k")
        return IdempotentRequest.objects.get()

    def test_is_told_to_the_second_sender(self, admin: Client, lost: IdempotentRequest) -> None:
        answer = admin.post("users", NEW, idempotency_key="k")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_flight")
        assert answer.headers["Retry-After"] == "1"
        assert User.objects.count() == 2

    def test_is_taken_over_once_it_counts_as_lost(
        self, admin: Client, lost: IdempotentRequest
    ) -> None:
        long_ago = now() - idempotency.IN_FLIGHT
        IdempotentRequest.objects.filter(pk=lost.pk).update(started_at=long_ago)
        assert admin.post("users", NEW, idempotency_key="k").status_code == 201
        assert IdempotentRequest.objects.get().epoch == 2

    def test_fences_off_the_first_senders_late_commit(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = services.create_user

        def overtaken(**wanted: Any) -> Any:
            made = original(**wanted)
            IdempotentRequest.objects.update(epoch=2)
            return made

        monkeypatch.setattr(services, "create_user", overtaken)
        answer = admin.post("users", NEW, idempotency_key="k")
        assert (answer.status_code, answer.json()["code"]) == (409, "stale_state")
        assert User.objects.count() == 2


class TestPrune:
    def test_removes_what_is_older_than_it_is_kept(self, admin: Client) -> None:
        admin.post("users", NEW)
        assert idempotency.prune(now=now()) == 0
        assert idempotency.prune(now=now() + idempotency.KEPT + timedelta(minutes=1)) == 1


@pytest.mark.django_db(transaction=True)
class TestParallel:
    def test_sent_eight_times_at_once_it_acts_once(self, brand_id: UUID, ada: Actor) -> None:
        user = people.add(ada, "bruno")
        clients = [Client.signed_in("ada") for _ in range(8)]
        together, answers = Barrier(8), []
        key = str(uuid4())
        body = {"role": Role.MARKETER.value, "brand_id": str(brand_id)}

        def send(client: Client) -> None:
            together.wait()
            answers.append(client.post(f"users/{user.id}/roles", body, idempotency_key=key))
            connection.close()

        threads = [Thread(target=send, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = sorted(answer.status_code for answer in answers)
        assert set(codes) <= {201, 409}
        assert codes.count(201) >= 1
        assert {a.json()["code"] for a in answers if a.status_code == 409} <= {
            "idempotency_key_in_flight"
        }
        assert Membership.objects.count() == 1
        assert len({a.json()["id"] for a in answers if a.status_code == 201}) == 1


class TestPruneCommand:
    def test_says_what_it_removed(self, admin: Client, capsys: pytest.CaptureFixture[str]) -> None:
        from django.core.management import call_command

        IdempotentRequest.objects.create(
            actor_id=uuid4(),
            key_sha256="0" * 64,
            request_sha256="0" * 64,
            created_at=now() - idempotency.KEPT,
            started_at=now() - idempotency.KEPT,
        )
        call_command("prune_requests")
        assert "Removed 1 answers and 0 sign-in windows." in capsys.readouterr().out
