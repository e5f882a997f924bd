"""Break-glass on the portal: from the first of two people to the judgement, without script."""

from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from imprimatur.accounts.errors import WrongPassword
from imprimatur.web import words
from imprimatur.workflow import emergencies

from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.kernel.roles import Role
from governance.review import selectors as review
from governance.review.models import BreakGlass
from governance.review.records import CaseRecord
from governance.review.states import BreakGlassState
from tests.factories import break_glass as emergency
from tests.factories import review as make
from tests.integration.web.world import World

WHY = "The campaign starts in an hour."


@pytest.fixture
def case(world: World) -> CaseRecord:
    made = world.cases(world.make(world.order(1)))[0]
    for username in ("mona", "clara"):
        make.deliver(made, world.actor(username), now())
    return made


def opened(world: World, case: CaseRecord) -> str:
    """Let mona break the glass; return its address."""
    form = {"sha256": case.subject.sha256, "reason": WHY}
    answer = world.client("mona").post(f"/reviews/{case.id}/emergency/", form)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


class TestEmergency:
    def test_takes_another_person_and_can_be_stopped(self, world: World, case: CaseRecord) -> None:
        page = world.client("mona").get(f"/reviews/{case.id}/").content.decode()
        assert f"/reviews/{case.id}/emergency/" in page
        address = opened(world, case)
        page = unescape(world.client("mona").get(address).content.decode())
        assert WHY in page
        assert "Confirm as the second person" not in page
        clara = world.client("clara")
        assert "Confirm as the second person" in clara.get(address).content.decode()
        form = {"confirm-sha256": case.subject.sha256}
        assert clara.post(f"{address}confirm/", form)["Location"] == address
        early = world.client("mona").post(f"{address}use/")
        assert early.status_code == 409
        assert "The countdown is not over yet." in early.content.decode()
        bruno = world.client("bruno")
        assert "Stop it" in bruno.get(address).content.decode()
        assert bruno.post(f"{address}stop/")["Location"] == address
        assert BreakGlass.objects.get().state == "stopped"
        assert address in world.client("otto").get("/emergencies/").content.decode()

    def test_asks_for_the_password_when_the_last_time_is_long_ago(
        self, world: World, case: CaseRecord
    ) -> None:
        mona = world.client("mona")
        world.authenticate(mona, now() - timedelta(hours=2))
        address = f"/reviews/{case.id}/emergency/"
        assert 'name="password"' in mona.get(address).content.decode()
        form = {"sha256": case.subject.sha256, "reason": WHY}
        missing = mona.post(address, form)
        assert missing.status_code == 400
        assert WHY in unescape(missing.content.decode())
        wrong = mona.post(address, {**form, "password": "not mine"})
        assert wrong.status_code == WrongPassword.status
        assert not BreakGlass.objects.exists()
        right = mona.post(address, {**form, "password": world.passwords["mona"]})
        assert right.status_code == 302

    @pytest.mark.parametrize("reason", ["", "x" * 4001])
    def test_needs_a_reason(self, world: World, case: CaseRecord, reason: str) -> None:
        form = {"sha256": case.subject.sha256, "reason": reason}
        assert world.client("mona").post(f"/reviews/{case.id}/emergency/", form).status_code == 400
        assert not BreakGlass.objects.exists()

    def test_is_not_for_others(self, world: World, case: CaseRecord) -> None:
        form = {"sha256": case.subject.sha256, "reason": WHY}
        for username, status in (("marta", 403), ("bruno", 403), ("otto", 403), ("ada", 404)):
            answer = world.client(username).post(f"/reviews/{case.id}/emergency/", form)
            assert answer.status_code == status, username
        page = world.client("marta").get(f"/reviews/{case.id}/emergency/").content.decode()
        assert "You cannot break the glass for this review" in page
        assert not BreakGlass.objects.exists()

    def test_has_nothing_left_to_do_once_the_review_is_over(
        self, world: World, case: CaseRecord
    ) -> None:
        address = opened(world, case)
        world.decide(case, "bruno", "reject")
        for path in (address, "/emergencies/"):
            assert "Its review is over" in world.client("clara").get(path).content.decode()
        page = world.client("clara").get(address).content.decode()
        assert "Confirm as the second person" not in page


def test_every_state_has_its_word() -> None:
    assert {f"glass_{state}" for state in BreakGlassState} <= set(words.STATES)


@pytest.mark.django_db(transaction=True)
def test_a_third_person_judges_what_two_let_out(world: World, case: CaseRecord) -> None:
    address = opened(world, case)
    clara = world.client("clara")
    clara.post(f"{address}confirm/", {"confirm-sha256": case.subject.sha256})
    found = review.list_break_glass(SYSTEM)[0]
    emergency.let_countdown_pass(found)
    assert world.client("mona").post(f"{address}use/")["Location"] == address
    assert review.get_case(SYSTEM, case.id).state == "approved"
    form = {"judge-verdict": "fault", "judge-reason": "There was time."}
    assert clara.post(f"{address}judge/", form).status_code == 403
    assert "Record the judgement" not in clara.get(address).content.decode()
    used = review.get_break_glass(SYSTEM, found.id)
    third = make.person(case.brand_id, Role.COMPLIANCE_REVIEWER)
    judged = emergencies.judge(
        actor=replace(third, authenticated_at=now()),
        break_glass_id=used.id,
        verdict="fault",
        reason="There was time.",
        now=now(),
    )
    assert (judged.state, judged.case_state) == ("faulted", "voided")
    page = unescape(world.client("otto").get(address).content.decode())
    assert "There was time." in page
