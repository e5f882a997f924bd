"""Legal holds and erasure over the API: for data stewards, with a reason, one act for each key."""

from uuid import UUID

import pytest

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.sealing import services as sealing
from tests.factories import people
from tests.integration.api.client import Client


@pytest.fixture
def stella(ada: Actor, brand_id: UUID) -> Client:
    """A data steward, signed in."""
    people.add(ada, "stella", brand_id=brand_id, roles=[Role.DATA_STEWARD])
    return Client.signed_in("stella")


@pytest.fixture
def stephen(ada: Actor, brand_id: UUID) -> Client:
    """Another data steward of the brand, signed in."""
    people.add(ada, "stephen", brand_id=brand_id, roles=[Role.DATA_STEWARD])
    return Client.signed_in("stephen")


@pytest.fixture
def person_id(db: None) -> UUID:
    person_id = uuid7()
    sealing.seal(person_id=person_id, text="Jane", purpose="test")
    return person_id


def wanted(brand_id: UUID, reason: str = "A court asked.") -> dict[str, str]:
    return {"brand_id": str(brand_id), "reason": reason}


class TestHolds:
    def test_stop_an_erasure_until_another_lifts_them(
        self, stella: Client, stephen: Client, person_id: UUID, brand_id: UUID
    ) -> None:
        placed = stella.post(f"people/{person_id}/holds", wanted(brand_id))
        assert placed.status_code == 201, placed.content
        assert placed.headers["Location"] == f"/api/v1/people/{person_id}/holds"
        hold = placed.json()
        assert (hold["reason"], hold["lifted_at"]) == ("A court asked.", None)
        assert stephen.get(f"people/{person_id}/holds").json()["items"] == [hold]

        erasure = {"brand_id": str(brand_id)}
        refused = stephen.post(f"people/{person_id}/erasure", erasure)
        assert (refused.status_code, refused.json()["code"]) == (409, "person_held")
        own = stella.post(f"holds/{hold['id']}/lift", {"reason": "Done."})
        assert (own.status_code, own.json()["code"]) == (403, "not_permitted")
        lifted = stephen.post(f"holds/{hold['id']}/lift", {"reason": "Done."})
        assert (lifted.status_code, lifted.json()["lift_reason"]) == (200, "Done.")
        again = stephen.post(f"holds/{hold['id']}/lift", {"reason": "Done."})
        assert (again.status_code, again.json()["code"]) == (409, "hold_lifted")

        erased = stephen.post(f"people/{person_id}/erasure", erasure)
        assert erased.status_code == 200, erased.content
        assert erased.json()["key_id"] is not None

    def test_are_placed_once_for_one_key(
        self, stella: Client, person_id: UUID, brand_id: UUID
    ) -> None:
        path, body = f"people/{person_id}/holds", wanted(brand_id)
        first = stella.post(path, body, idempotency_key="h-1")
        again = stella.post(path, body, idempotency_key="h-1")
        assert again.json() == first.json()
        second = stella.post(path, body)
        assert (second.status_code, second.json()["code"]) == (409, "hold_stands")

    @pytest.mark.parametrize("body", [{}, {"reason": "x"}, {"brand_id": "x", "reason": "y"}])
    def test_refuse_what_is_malformed(
        self, stella: Client, person_id: UUID, body: dict[str, str]
    ) -> None:
        assert stella.post(f"people/{person_id}/holds", body).status_code == 400

    def test_are_nobody_elses(
        self,
        stella: Client,
        marta: Client,
        admin: Client,
        stranger: Client,
        person_id: UUID,
        brand_id: UUID,
    ) -> None:
        hold = stella.post(f"people/{person_id}/holds", wanted(brand_id)).json()
        for client in (marta, admin, stranger):
            assert client.get(f"people/{person_id}/holds").json()["items"] == []
            assert client.post(f"people/{person_id}/holds", wanted(brand_id)).status_code == 403
            lift = client.post(f"holds/{hold['id']}/lift", {"reason": "x"})
            assert lift.status_code == 404
            erasure = client.post(f"people/{person_id}/erasure", {"brand_id": str(brand_id)})
            assert erasure.status_code == 403
