"""Over the API: an auditor has an image made again; whoever sees the image reads the outcome."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from generation.jobs import services
from generation.jobs.models import Replay
from governance.kernel.roles import Role
from governance.outbox.models import Outbox
from tests import rows
from tests.factories import jobs as make
from tests.factories import people
from tests.factories import replays as again
from tests.integration.api.client import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> make.Shop:
    make.use_blobs(settings, tmp_path / "blobs")
    ada, _grace = people.admins()
    made = make.shop()
    for name, role in (
        ("otto", Role.AUDITOR),
        ("bruno", Role.BRAND_REVIEWER),
        ("marta", Role.MARKETER),
    ):
        people.add(ada, name, brand_id=made.brand_id, roles=[role])
    people.add(ada, "sam", brand_id=make.shop("southwind").brand_id, roles=[Role.AUDITOR])
    return made


@pytest.fixture
def asset_id(shop: make.Shop) -> UUID:
    return make.finish(make.claimed(shop.order().items[0]))


@pytest.fixture
def otto(shop: make.Shop) -> Client:
    client = Client.signed_in("otto")
    client.get("me")
    return client


class TestAReplay:
    def test_is_asked_for_and_its_outcome_read(self, asset_id: UUID, otto: Client) -> None:
        asked = otto.post(f"assets/{asset_id}/replays")
        assert asked.status_code == 202
        told = asked.json()
        assert (told["state"], told["outcome"], told["report"]) == ("queued", "", {})
        hint = Outbox.objects.get(task="generation.jobs.replay")
        assert hint.kwargs == {"replay_id": told["id"]}
        replay = record_of(told["id"])
        report = {
            "changed": [{"fact": "python", "then": "3.11.7", "now": "3.12.1"}],
            "are_pixels_same": False,
            "pixels": {"differing_share": 0.25, "largest_difference": 3, "ssim": 0.99},
        }
        services.finish_replay(
            claim=again.claimed(replay),
            remade=again.remade(replay, sha256="d" * 64, report=report, asset_class="b" * 64),
            now=make.NOW,
        )
        over = Client.signed_in("marta").get(asked.headers["Location"]).json()
        assert (over["state"], over["outcome"]) == ("done", "drifted")
        assert over["report"] == report
        assert over["is_own_class"] is False
        (listed,) = otto.get(f"assets/{asset_id}/replays").json()["items"]
        assert listed == over

    def test_is_asked_for_once_under_one_key(self, asset_id: UUID, otto: Client) -> None:
        key = str(uuid4())
        first = otto.post(f"assets/{asset_id}/replays", idempotency_key=key)
        second = otto.post(f"assets/{asset_id}/replays", idempotency_key=key)
        assert first.json() == second.json()
        assert Replay.objects.count() == 1

    def test_comes_in_pages_newest_first(self, asset_id: UUID, otto: Client) -> None:
        ids = [otto.post(f"assets/{asset_id}/replays").json()["id"] for _ in range(3)]
        page = otto.get(f"assets/{asset_id}/replays?limit=2").json()
        assert [each["id"] for each in page["items"]] == ids[:0:-1]
        rest = otto.get(page["next"].partition("/api/v1/")[2]).json()
        assert [each["id"] for each in rest["items"]] == ids[:1]
        assert rest["next"] is None


class TestWhoMayNot:
    def test_ask_orders_images_only(self, asset_id: UUID) -> None:
        marta = Client.signed_in("marta")
        before = rows.counted()
        answer = marta.post(f"assets/{asset_id}/replays")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
        assert rows.added_since(before).keys() <= {"api_idempotentrequest"}

    def test_see_the_image_finds_nothing(self, asset_id: UUID, otto: Client) -> None:
        told = otto.post(f"assets/{asset_id}/replays").json()
        for client in (Client.signed_in("sam"), Client.signed_in("ada")):
            assert client.post(f"assets/{asset_id}/replays").status_code == 404
            assert client.get(f"assets/{asset_id}/replays").status_code == 404
            assert client.get(f"replays/{told['id']}").status_code == 404

    def test_act_as_a_person_is_a_key(self, asset_id: UUID) -> None:
        _record, secret = people.key(people.acting("otto"), "ledger:entry:read")
        client = Client(secret)
        assert client.post(f"assets/{asset_id}/replays").status_code in {403, 404}
        assert Replay.objects.count() == 0

    def test_ask_for_more_within_an_hour_is_told_when_to_come_back(
        self, asset_id: UUID, otto: Client, settings: Any
    ) -> None:
        settings.REPLAYS_AN_HOUR = 1
        assert otto.post(f"assets/{asset_id}/replays").status_code == 202
        key = str(uuid4())
        answer = otto.post(f"assets/{asset_id}/replays", idempotency_key=key)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_replays")
        assert 3500 < int(answer.headers["Retry-After"]) <= 3600
        assert Replay.objects.count() == 1
        # It was no answer to keep: the same request may succeed later.
        settings.REPLAYS_AN_HOUR = 2
        again_asked = otto.post(f"assets/{asset_id}/replays", idempotency_key=key)
        assert again_asked.status_code == 202


class TestBadInput:
    def test_names_no_image(self, otto: Client) -> None:
        assert otto.post(f"assets/{uuid4()}/replays").status_code == 404
        assert otto.get(f"assets/{uuid4()}/replays").status_code == 404
        assert otto.get(f"replays/{uuid4()}").status_code == 404

    def test_names_an_unknown_filter(self, asset_id: UUID, otto: Client) -> None:
        answer = otto.get(f"assets/{asset_id}/replays?state=done")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["parameter"] == "state"

    def test_has_no_idempotency_key(self, asset_id: UUID, otto: Client) -> None:
        answer = otto.post(f"assets/{asset_id}/replays", idempotency_key=None)
        assert answer.status_code == 400
        assert Replay.objects.count() == 0


def record_of(replay_id: str) -> Any:
    from generation.jobs import selectors

    return selectors.get_replay(people.acting("otto"), UUID(replay_id))
