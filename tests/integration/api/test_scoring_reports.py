"""Backtests and calibration over HTTP: who may run and read them, and what they answer."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from tests.factories import people
from tests.integration.api.client import Client

Person = Callable[..., Client]
THRESHOLDS = {"sharpness": {"threshold": 0.1, "severity": "flag"}}


@pytest.fixture
def person(ada: Actor, brand_id: UUID) -> Person:
    """Add a person with roles to the brand and sign them in."""

    def add(name: str, *roles: Role) -> Client:
        people.add(ada, name, brand_id=brand_id, roles=roles)
        return Client.signed_in(name)

    return add


@pytest.fixture
def mona(person: Person) -> Client:
    """A brand manager, in a brand that has another one."""
    person("max", Role.BRAND_MANAGER)
    return person("mona", Role.BRAND_MANAGER)


@pytest.fixture
def policy_id(mona: Client, brand_id: UUID) -> str:
    wanted = {"brand_id": str(brand_id), "advisory": True, "thresholds": THRESHOLDS}
    made = mona.post("scoring-policies", wanted)
    assert made.status_code == 201, made.content
    return str(made.json()["id"])


class TestBacktests:
    def test_come_with_the_proposal(self, mona: Client, policy_id: str) -> None:
        policy = mona.get(f"scoring-policies/{policy_id}").json()
        (filed,) = mona.get(f"scoring-policies/{policy_id}/backtests").json()["items"]
        assert filed["policy_sha256"] == policy["sha256"]
        assert filed["report"]["whole"]["assets"] == 0

    def test_are_run_again_once_for_each_key(self, mona: Client, policy_id: str) -> None:
        path = f"scoring-policies/{policy_id}/backtests"
        first, again = (mona.post(path, {"assets": 500}, idempotency_key="k") for _ in range(2))
        assert first.status_code == again.status_code == 201
        assert first.json() == again.json()
        assert first.json()["report"]["asked"] == 500
        assert mona.get(first.headers["Location"]).json() == first.json()
        assert len(mona.get(path).json()["items"]) == 2

    @pytest.mark.parametrize("assets", [99, 10_001, "500", 500.5, None, True])
    def test_over_a_wrong_number_are_refused(
        self, mona: Client, policy_id: str, assets: Any
    ) -> None:
        refused = mona.post(f"scoring-policies/{policy_id}/backtests", {"assets": assets})
        assert refused.status_code in {400, 422}
        assert refused.json()["errors"][0]["pointer"] == "/assets"

    def test_are_the_brand_s_own(
        self, mona: Client, stranger: Client, person: Person, policy_id: str
    ) -> None:
        path = f"scoring-policies/{policy_id}/backtests"
        (filed,) = mona.get(path).json()["items"]
        assert stranger.post(path, {}).status_code == 404
        assert stranger.get(path).status_code == 404
        assert stranger.get(f"backtests/{filed['id']}").status_code == 404
        assert mona.get(f"backtests/{uuid4()}").status_code == 404
        assert person("mara", Role.MARKETER).post(path, {}).status_code == 403


class TestCalibration:
    def test_of_a_brand_without_images_is_empty(self, mona: Client, brand_id: UUID) -> None:
        found = mona.get(f"brands/{brand_id}/calibration").json()
        assert (found["images"], found["decided"], found["scorers"]) == (0, 0, [])

    def test_is_the_brand_s_own(self, stranger: Client, brand_id: UUID) -> None:
        assert stranger.get(f"brands/{brand_id}/calibration").status_code == 404
