"""What an emergency let go: released with a passport that names the two, withdrawn when faulted."""

import pytest
from imprimatur.publishing import services
from imprimatur.workflow import emergencies

from governance.kernel.actors import SYSTEM
from governance.kernel.roles import Role
from governance.passport import document
from governance.release import selectors as releases
from governance.review import selectors as review
from tests.factories import break_glass as emergency
from tests.factories import review as make
from tests.factories.publishing import Press

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def press(transactional_db: None, press: Press) -> Press:
    return press


def test_is_released_with_a_passport_that_says_so(press: Press) -> None:
    case = press.case_of(press.image())
    used = emergency.used(press.team, case)
    press.prove()
    release = services.release_case(case_id=case.id, now=make.NOW)
    assert release is not None
    told = document.read(releases.get_passport(SYSTEM, release.id))
    assert told["decisions"] == []
    assert told["approval"]["break_glass"] == {
        "id": str(used.id),
        "opened_by": str(press.team.manager.id),
        "confirmed_by": str(press.team.compliance_reviewer.id),
        "used_at": "2026-11-20T12:00:00.000000Z",
    }


def test_is_taken_back_when_it_was_wrong(press: Press) -> None:
    case = press.case_of(press.image())
    used = emergency.used(press.team, case)
    press.prove()
    release = services.release_case(case_id=case.id, now=make.NOW)
    assert release is not None
    judged = emergencies.judge(
        actor=make.person(press.brand_id, Role.COMPLIANCE_REVIEWER),
        break_glass_id=used.id,
        verdict="fault",
        reason="There was time.",
        now=make.NOW,
    )
    assert judged.state == "faulted"
    assert releases.is_withdrawn(release.id)
    assert review.get_case(SYSTEM, case.id).state == "approved"


def test_the_usual_way_names_nobody(press: Press) -> None:
    release = press.released()
    told = document.read(releases.get_passport(SYSTEM, release.id))
    assert told["approval"]["break_glass"] is None
    assert len(told["decisions"]) == 2
