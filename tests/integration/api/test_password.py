"""Changing one's own password over the API: by the present one, counted; other sessions end."""

from typing import Any

import pytest
from imprimatur.accounts.models import User

from governance.kernel.actors import SYSTEM, Actor
from governance.ledger import selectors as ledger
from tests.factories import people
from tests.integration.api.client import Client

NEW = "seven herons on the weir"


def change(client: Client, present: str = people.PASSWORD, new: str = NEW) -> Any:
    body = {"present_password": present, "new_password": new}
    return client.post("me/password", body, idempotency_key=None)


def events() -> list[str]:
    user_id = people.acting("marta").id
    return [e.event for e in ledger.list_entries(actor=SYSTEM, subject_id=user_id).entries]


class TestChangePassword:
    def test_takes_the_new_one_and_no_longer_the_old(self, marta: Client) -> None:
        assert change(marta).status_code == 204
        user = User.objects.get(username="marta")
        assert user.check_password(NEW)
        assert not user.check_password(people.PASSWORD)

    def test_goes_to_the_ledger_without_either(self, marta: Client) -> None:
        change(marta)
        user_id = people.acting("marta").id
        latest = ledger.list_entries(actor=SYSTEM, subject_id=user_id).entries[0]
        assert (latest.event, latest.actor_id) == ("accounts.password.changed", user_id)
        assert NEW.encode() not in latest.body
        assert people.PASSWORD.encode() not in latest.body

    def test_ends_the_other_sessions_and_keeps_this_one(self, marta: Client) -> None:
        elsewhere = Client.signed_in("marta")
        before = marta.browser.cookies["sessionid"].value
        assert change(marta).status_code == 204
        assert elsewhere.get("me").status_code == 401
        assert marta.get("me").status_code == 200
        assert marta.browser.cookies["sessionid"].value != before

    def test_leaves_keys_as_they_are(self, marta: Client) -> None:
        _, text = people.key(people.acting("marta"), "brands:brand:read")
        change(marta)
        assert Client(key=text).get("me").status_code == 200

    def test_needs_the_present_one(self, marta: Client) -> None:
        answer = change(marta, present="not this one at all")
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
        assert answer.json()["errors"][0]["pointer"] == "/present_password"
        assert User.objects.get(username="marta").check_password(people.PASSWORD)
        assert "accounts.password.changed" not in events()

    @pytest.mark.parametrize(
        ("new", "rule"), [("short", "password"), ("1" * 20, "password"), (people.PASSWORD, "same")]
    )
    def test_refuses_a_new_one_that_is_weak_or_not_new(
        self, marta: Client, new: str, rule: str
    ) -> None:
        answer = change(marta, new=new)
        assert answer.status_code == 400
        error = answer.json()["errors"][0]
        assert (error["pointer"], error["rule"]) == ("/new_password", rule)
        assert User.objects.get(username="marta").check_password(people.PASSWORD)

    def test_is_refused_after_ten_wrong_guesses_even_with_the_right_one(
        self, marta: Client
    ) -> None:
        for _ in range(10):
            assert change(marta, present="not this one at all").status_code == 403
        answer = change(marta)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert int(answer.headers["Retry-After"]) > 0
        assert User.objects.get(username="marta").check_password(people.PASSWORD)

    def test_forgets_the_guesses_once_it_is_right(self, marta: Client) -> None:
        for _ in range(9):
            change(marta, present="not this one at all")
        assert change(marta).status_code == 204
        assert change(marta, present="not this one at all").status_code == 403

    def test_is_not_a_keys(self, ada: Actor) -> None:
        _, text = people.key(ada, "brands:brand:read")
        answer = change(Client(key=text))
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
        assert User.objects.get(username="ada").check_password(people.PASSWORD)

    def test_needs_the_csrf_token(self, marta: Client) -> None:
        marta.token = ""
        assert change(marta).json()["code"] == "csrf_failed"

    def test_is_for_whoever_is_signed_in(self, db: None) -> None:
        assert change(Client()).status_code == 401
