"""Signing in and out, and who gets in at all."""

import pytest
from django.urls import reverse

from tests.integration.web.world import World

CLOSED = ["home", "templates", "orders", "reviews", "published", "ledger"]


class TestSignIn:
    def test_goes_where_the_person_wanted_to_go(self, world: World) -> None:
        client = world.client()
        bounced = client.get("/orders/")
        assert bounced.headers["Location"] == "/sign-in/?next=/orders/"
        answer = client.post(
            "/sign-in/",
            {"username": "marta", "password": world.passwords["marta"], "next": "/orders/"},
        )
        assert answer.headers["Location"] == "/orders/"
        assert client.get("/orders/").status_code == 200

    @pytest.mark.parametrize("username", ["marta", "nobody"])
    def test_says_the_same_of_a_wrong_password_and_an_unknown_name(
        self, world: World, username: str
    ) -> None:
        answer = world.client().post("/sign-in/", {"username": username, "password": "wrong"})
        assert answer.status_code == 401
        assert "do not belong together" in answer.content.decode()

    def test_never_leads_to_another_site(self, world: World) -> None:
        answer = world.client().post(
            "/sign-in/",
            {
                "username": "marta",
                "password": world.passwords["marta"],
                "next": "//elsewhere.example/",
            },
        )
        assert answer.headers["Location"] == "/"

    def test_slows_down_whoever_guesses(self, world: World) -> None:
        client = world.client()
        statuses = {
            client.post("/sign-in/", {"username": "marta", "password": f"guess {n}"}).status_code
            for n in range(30)
        }
        assert 429 in statuses

    def test_never_shows_a_password_again(self, world: World) -> None:
        answer = world.client().post("/sign-in/", {"username": "marta", "password": "t0psecret!"})
        assert "t0psecret!" not in answer.content.decode()

    def test_asks_for_both_fields(self, world: World) -> None:
        answer = world.client().post("/sign-in/", {"username": "marta"})
        assert answer.status_code == 400
        assert 'aria-invalid="true"' in answer.content.decode()


class TestDoors:
    @pytest.mark.parametrize("name", CLOSED)
    def test_are_closed_to_whoever_is_signed_out(self, world: World, name: str) -> None:
        answer = world.client().get(reverse(f"web:{name}"))
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/sign-in/")

    def test_close_behind_whoever_signs_out(self, world: World) -> None:
        client = world.client("marta")
        assert client.get("/").status_code == 200
        client.post("/sign-out/")
        assert client.get("/").status_code == 302

    def test_answer_a_fragment_without_the_sign_in_page(self, world: World) -> None:
        job = world.order()
        answer = world.client().get(f"/orders/{job.id}/sheet/", headers={"HX-Request": "true"})
        assert answer.status_code == 401
        assert "HX-Redirect" in answer.headers

    def test_sign_out_is_no_link(self, world: World) -> None:
        assert world.client("marta").get("/sign-out/").status_code == 405


class TestAppearance:
    def test_is_remembered(self, world: World) -> None:
        client = world.client("marta")
        client.post("/appearance/", {"theme": "dark", "next": "/orders/"})
        assert 'data-theme="dark"' in client.get("/").content.decode()
        client.post("/appearance/", {"theme": ""})
        assert "data-theme" not in client.get("/").content.decode()
