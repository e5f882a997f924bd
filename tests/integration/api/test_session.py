"""Signing in and out through the API: CSRF always, one answer for every wrong guess, a limit."""

from uuid import UUID

import pytest
from imprimatur.accounts import services

from governance.kernel.actors import Actor
from tests.factories import people
from tests.integration.api.client import Client

RIGHT = {"username": "ada", "password": people.PASSWORD}


@pytest.mark.usefixtures("ada")
class TestSignIn:
    def test_starts_a_session_and_changes_the_token(self) -> None:
        client = Client()
        client.token = client.get("session").json()["csrf_token"]
        body = client.post("session", RIGHT).json()
        assert body["signed_in"]
        assert UUID(body["user_id"])
        assert client.get("me").json()["name"] == "Ada Lovelace"

    def test_needs_the_csrf_token(self) -> None:
        client = Client()
        client.get("session")
        answer = client.post("session", RIGHT)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
        assert not client.get("session").json()["signed_in"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"username": "ada", "password": "not this one at all"},
            {"username": "nobody", "password": people.PASSWORD},
        ],
    )
    def test_says_the_same_for_every_wrong_guess(self, wrong: dict[str, str]) -> None:
        client = Client()
        client.token = client.get("session").json()["csrf_token"]
        answer = client.post("session", wrong)
        assert answer.status_code == 401
        assert answer.json()["detail"] == "The user name or the password is not right."

    def test_refuses_a_disabled_person(self, ada: Actor) -> None:
        user = people.add(ada, "marta")
        services.disable_user(actor=ada, user_id=user.id, now=people.NOW)
        client = Client()
        client.token = client.get("session").json()["csrf_token"]
        answer = client.post("session", {"username": "marta", "password": people.PASSWORD})
        assert answer.json()["code"] == "sign_in_refused"

    def test_is_refused_after_ten_failures_even_with_the_right_password(self) -> None:
        client = Client()
        client.token = client.get("session").json()["csrf_token"]
        for _ in range(10):
            client.post("session", {"username": "ada", "password": "not this one at all"})
        answer = client.post("session", RIGHT)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert 0 < int(answer.headers["Retry-After"]) <= 900

    def test_names_the_field_that_is_missing(self) -> None:
        client = Client()
        client.token = client.get("session").json()["csrf_token"]
        errors = client.post("session", {"username": "ada", "pasword": "x"}).json()["errors"]
        assert {(e["pointer"], e["rule"]) for e in errors} == {
            ("/password", "required"),
            ("/pasword", "unknown"),
        }


class TestSession:
    def test_ends(self, marta: Client) -> None:
        assert marta.delete("session").status_code == 204
        assert marta.get("me").status_code == 401

    def test_ends_only_with_the_csrf_token(self, marta: Client) -> None:
        marta.token = ""
        assert marta.delete("session").json()["code"] == "csrf_failed"
        assert marta.get("me").status_code == 200

    def test_is_dead_once_its_person_is_disabled(self, marta: Client, ada: Actor) -> None:
        user_id = UUID(marta.get("me").json()["id"])
        services.disable_user(actor=ada, user_id=user_id, now=people.NOW)
        assert marta.get("me").status_code == 401

    def test_is_kept_from_shared_caches(self, marta: Client) -> None:
        answer = marta.get("me")
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"Cookie", "Authorization"} <= set(answer.headers["Vary"].split(", "))


class TestMe:
    def test_says_which_roles_are_held(self, marta: Client, brand_id: UUID) -> None:
        body = marta.get("me").json()
        assert (body["kind"], body["scopes"], body["key_id"]) == ("person", None, None)
        assert body["roles"] == [{"brand_id": str(brand_id), "roles": ["marketer"]}]

    def test_says_what_a_key_is_limited_to(self, ada: Actor) -> None:
        record, text = people.key(ada, "brands:brand:read")
        body = Client(key=text).get("me").json()
        assert (body["kind"], body["scopes"]) == ("integration", ["brands:brand:read"])
        assert body["key_id"] == str(record.id)
