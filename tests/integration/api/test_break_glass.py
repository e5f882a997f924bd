"""Over the API: an emergency from the first of two people to the judgement of a third."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from imprimatur.workflow import emergencies

from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.notices import selectors as notices
from governance.release import selectors as releases
from governance.release import services as release_services
from governance.review import selectors as review
from governance.review.models import BreakGlass
from tests.factories import break_glass as emergency
from tests.factories import people
from tests.factories import review as make
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    made = worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())
    ada = people.acting("ada")
    for name in ("mona", "connor"):
        role = Role.BRAND_MANAGER if name == "mona" else Role.COMPLIANCE_REVIEWER
        people.add(ada, name, brand_id=made.brand.id, roles=[role])
    return made


def see(world: World, *usernames: str) -> None:
    """Have the bytes under review on these people's screens."""
    for name in usernames:
        make.deliver(world.case, people.acting(name), now())


def body(world: World, **changes: Any) -> dict[str, Any]:
    return {"sha256": world.case.subject.sha256, "reason": "The campaign starts now.", **changes}


def opened(world: World) -> str:
    """Let mona break the glass; return its address."""
    see(world, "mona")
    answer = Client.signed_in("mona").post(f"cases/{world.case.id}/break-glass", body(world))
    assert answer.status_code == 201, answer.content
    return f"break-glass/{answer.json()['id']}"


def confirmed(world: World) -> str:
    """Let clara agree; return its address."""
    address = opened(world)
    see(world, "clara")
    sha256 = {"sha256": world.case.subject.sha256}
    answer = Client.signed_in("clara").post(f"{address}/confirmation", sha256)
    assert answer.status_code == 201, answer.content
    assert answer.json()["effective_at"] is not None
    return address


def used(world: World) -> str:
    """Let the countdown pass and mona approve; return its address."""
    address = confirmed(world)
    found = review.get_break_glass(SYSTEM, UUID(address.rpartition("/")[2]))
    emergency.let_countdown_pass(found)
    answer = Client.signed_in("mona").post(f"{address}/use")
    assert answer.status_code == 201, answer.content
    assert (answer.json()["state"], answer.json()["case_state"]) == ("used", "approved")
    return address


class TestBreakGlass:
    def test_needs_two_and_its_countdown(self, world: World) -> None:
        address = opened(world)
        mona = Client.signed_in("mona")
        sha256 = {"sha256": world.case.subject.sha256}
        assert mona.post(f"{address}/confirmation", sha256).status_code == 403
        early = mona.post(f"{address}/use")
        assert (early.status_code, early.json()["code"]) == (409, "illegal_transition")
        see(world, "clara")
        clara = Client.signed_in("clara")
        assert clara.post(f"{address}/confirmation", sha256).status_code == 201
        running = mona.post(f"{address}/use")
        assert (running.status_code, running.json()["code"]) == (409, "countdown_runs")
        stopped = Client.signed_in("bruno").post(f"{address}/stop")
        assert (stopped.status_code, stopped.json()["state"]) == (201, "stopped")
        assert mona.post(f"{address}/use").json()["code"] == "illegal_transition"
        assert review.get_case(SYSTEM, world.case.id).state == "open"

    def test_tells_those_who_watch(self, world: World) -> None:
        opened(world)
        for name in ("clara", "connor", "otto", "ada", "grace"):
            kinds = [notice.kind for notice in notices.list_notices(people.acting(name))]
            assert "review.break_glass" in kinds, name

    def test_is_read_by_those_who_watch(self, world: World) -> None:
        address = opened(world)
        otto = Client.signed_in("otto")
        assert otto.get(address).json()["reason"] == "The campaign starts now."
        (listed,) = otto.get("break-glass?state=opened").json()["items"]
        assert (listed["id"], listed["reason"]) == (address.rpartition("/")[2], None)
        for name in ("marta", "ada"):
            assert Client.signed_in(name).get(address).status_code == 404

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"reason": ""}, "/reason"),
            ({"reason": "x" * 4001}, "/reason"),
            ({"sha256": "abc"}, "/sha256"),
            ({"countdown_s": 1}, "/countdown_s"),
        ],
    )
    def test_that_is_malformed_is_named(
        self, world: World, changes: dict[str, Any], pointer: str
    ) -> None:
        see(world, "mona")
        mona = Client.signed_in("mona")
        answer = mona.post(f"cases/{world.case.id}/break-glass", body(world, **changes))
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert not BreakGlass.objects.exists()

    def test_needs_a_look_and_its_own_bytes(self, world: World) -> None:
        mona = Client.signed_in("mona")
        address = f"cases/{world.case.id}/break-glass"
        unseen = mona.post(address, body(world))
        assert (unseen.status_code, unseen.json()["code"]) == (409, "not_seen")
        stale = mona.post(address, body(world, sha256=sha256_hex(b"stale")))
        assert (stale.status_code, stale.json()["code"]) == (409, "bytes_changed")
        assert Client.signed_in("marta").post(address, body(world)).status_code == 404

    def test_that_was_upheld_leaves_the_approval(self, world: World) -> None:
        address = used(world)
        judgement = {"verdict": "uphold", "reason": "It was needed."}
        for name in ("mona", "clara"):
            assert Client.signed_in(name).post(f"{address}/judgement", judgement).status_code == 403
        connor = Client.signed_in("connor")
        assert connor.post(f"{address}/judgement", judgement).json()["state"] == "upheld"
        assert review.get_case(SYSTEM, world.case.id).state == "approved"

    def test_that_was_faulted_before_its_release_voids_the_case(self, world: World) -> None:
        address = used(world)
        judgement = {"verdict": "fault", "reason": "There was time."}
        answer = Client.signed_in("connor").post(f"{address}/judgement", judgement)
        assert (answer.json()["state"], answer.json()["case_state"]) == ("faulted", "voided")
        assert review.get_case(SYSTEM, world.case.id).state == "voided"

    def test_that_was_faulted_withdraws_its_release(self, world: World, tmp_path: Path) -> None:
        address = used(world)
        make.checkpoint(tmp_path / "relay")
        approval = review.get_approval(case_id=world.case.id)
        release = release_services.record_release(
            actor=SYSTEM,
            release_id=uuid7(),
            approval_id=approval.id,
            marked_sha256=sha256_hex(b"marked in a hurry"),
            media_type="image/png",
            marking_profile="xmp+c2pa/1",
            passport=b'{"v":1}',
            now=now(),
        )
        judgement = {"verdict": "fault", "reason": "There was time."}
        answer = Client.signed_in("connor").post(f"{address}/judgement", judgement)
        assert answer.json()["state"] == "faulted"
        assert releases.is_withdrawn(release.id)
        assert review.get_case(SYSTEM, world.case.id).state == "approved"

    def test_that_nobody_judged_raises_the_alarm_once(self, world: World) -> None:
        address = used(world)
        assert emergencies.watch(now=now()) == 0
        found = review.get_break_glass(SYSTEM, UUID(address.rpartition("/")[2]))
        emergency.let_judgement_be_late(found)
        assert emergencies.watch(now=now()) == 1
        assert emergencies.watch(now=now()) == 0
        told = notices.list_notices(people.acting("ada"))
        assert told[0].kind == "review.break_glass_overdue"
