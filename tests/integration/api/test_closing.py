"""Over the API: a held image is decided about, and a release is withdrawn, by people alone."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from imprimatur.publishing.models import Publication

from generation.jobs.models import JobItem
from governance.release import selectors as releases
from governance.release.models import Withdrawal
from tests.factories import jobs as make
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    make.use_blobs(settings, tmp_path / "blobs")
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def held(world: World) -> UUID:
    """Return an item that no scorer could judge."""
    body = {
        "template_id": str(world.version.template_id),
        "variables": {"object": "mug", "color": "red"},
        "variants": 1,
    }
    assert Client.signed_in("marta").post("jobs", body).status_code == 202
    item = JobItem.objects.get()
    claim = make.services.claim(item_id=item.id, worker="worker")
    assert claim is not None
    make.finish(claim, "hold")
    return item.id


def hold_address(item_id: UUID) -> str:
    return f"items/{item_id}/hold-decision"


class TestHoldDecision:
    @pytest.mark.parametrize(("accept", "state"), [(True, "in_review"), (False, "refused")])
    def test_moves_the_image_once(
        self, world: World, held: UUID, *, accept: bool, state: str
    ) -> None:
        clara = Client.signed_in("clara")
        body = {"accept": accept, "reason": "Looked at it closely."}
        key = str(uuid4())
        answer = clara.post(hold_address(held), body, idempotency_key=key)
        assert answer.status_code == 201
        item = answer.json()
        assert (item["id"], item["state"]) == (str(held), state)
        assert (item["case_id"] is not None, item["refusal_id"] is not None) == (accept, not accept)
        assert clara.get(answer.headers["Location"]).json()["items"] == [item]
        assert clara.post(hold_address(held), body, idempotency_key=key).json() == item
        again = clara.post(hold_address(held), body)
        assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"reason": "Because."}, "/accept"),
            ({"accept": "yes", "reason": "Because."}, "/accept"),
            ({"accept": 1, "reason": "Because."}, "/accept"),
            ({"accept": None, "reason": "Because."}, "/accept"),
            ({"accept": True}, "/reason"),
            ({"accept": False, "reason": ""}, "/reason"),
            ({"accept": True, "reason": "x" * 4001}, "/reason"),
            ({"accept": True, "reason": "Because.", "verdict": "approve"}, "/verdict"),
        ],
    )
    def test_that_is_malformed_is_named_and_decides_nothing(
        self, world: World, held: UUID, body: dict[str, Any], pointer: str
    ) -> None:
        answer = Client.signed_in("clara").post(hold_address(held), body)
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert JobItem.objects.get().state == "held"

    @pytest.mark.parametrize("username", ["marta", "bruno", "otto"])
    def test_is_not_for_other_roles(self, world: World, held: UUID, username: str) -> None:
        body = {"accept": True, "reason": "Because."}
        assert Client.signed_in(username).post(hold_address(held), body).status_code == 403
        assert JobItem.objects.get().state == "held"

    def test_about_an_unknown_item_is_not_found(self, world: World) -> None:
        body = {"accept": True, "reason": "Because."}
        answer = Client.signed_in("clara").post(hold_address(uuid4()), body)
        assert answer.status_code == 404


class TestWithdrawal:
    def test_stops_publications_for_good(self, world: World) -> None:
        clara = Client.signed_in("clara")
        address = f"releases/{world.release.id}/withdrawal"
        answer = clara.post(address, {"reason": "The logo is outdated."})
        assert answer.status_code == 201
        assert answer.json()["withdrawn_at"] is not None
        assert clara.get(answer.headers["Location"]).json() == answer.json()
        again = clara.post(address, {"reason": "Once more."})
        assert (again.status_code, again.json()["code"]) == (409, "already_withdrawn")
        late = Client.signed_in("marta").post(
            f"releases/{world.release.id}/publications",
            {"destination_id": str(world.destination.id)},
        )
        assert late.status_code == 410
        assert not Publication.objects.exists()
        assert Withdrawal.objects.count() == 1

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 4001}])
    def test_needs_a_reason(self, world: World, body: dict[str, Any]) -> None:
        address = f"releases/{world.release.id}/withdrawal"
        answer = Client.signed_in("clara").post(address, body)
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/reason"]
        assert not releases.is_withdrawn(world.release.id)

    def test_needs_a_recent_proof(self, world: World, settings: Any) -> None:
        settings.REAUTHENTICATE_AFTER_S = -1
        address = f"releases/{world.release.id}/withdrawal"
        answer = Client.signed_in("clara").post(address, {"reason": "The logo is outdated."})
        assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_needed")
        assert not releases.is_withdrawn(world.release.id)

    @pytest.mark.parametrize("username", ["marta", "bruno", "otto"])
    def test_is_not_for_other_roles(self, world: World, username: str) -> None:
        address = f"releases/{world.release.id}/withdrawal"
        answer = Client.signed_in(username).post(address, {"reason": "Mine."})
        assert answer.status_code == 403
        assert not releases.is_withdrawn(world.release.id)

    def test_of_another_brand_is_not_found(self, world: World) -> None:
        address = f"releases/{world.release.id}/withdrawal"
        assert people.acting("ada").is_platform_admin
        answer = Client.signed_in("ada").post(address, {"reason": "Mine."})
        assert answer.status_code == 404
        assert not releases.is_withdrawn(world.release.id)
