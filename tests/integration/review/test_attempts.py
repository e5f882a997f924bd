"""A refused attempt to decide: its own code, the case as it was, and a record of who tried."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from governance.kernel.errors import DomainError
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.review import services
from governance.review.models import Case, Decision
from governance.review.records import CaseRecord
from tests.factories import review as make

Act = Callable[[make.Team, CaseRecord], Any]
REFUSED = "review.decision.refused"


def _other_bytes(team: make.Team, case: CaseRecord) -> Any:
    return make.decide(
        replace(case, subject=replace(case.subject, sha256="0" * 64)), team.brand_reviewer
    )


def _unseen(team: make.Team, case: CaseRecord) -> Any:
    return services.decide(
        actor=team.brand_reviewer,
        case_id=case.id,
        verdict="approve",
        sha256=str(case.subject.sha256),
        reason="",
        now=make.NOW,
    )


def _closed(team: make.Team, case: CaseRecord) -> Any:
    make.decide(case, team.brand_reviewer, "reject")
    return make.decide(case, team.other_brand_reviewer)


def _voided(team: make.Team, case: CaseRecord) -> Any:
    services.void_case(actor=team.manager, case_id=case.id, reason="A mistake.", now=make.NOW)
    return make.decide(case, team.brand_reviewer)


def _claimed(team: make.Team, case: CaseRecord) -> Any:
    services.claim(actor=team.other_brand_reviewer, case_id=case.id, now=make.NOW)
    return make.decide(case, team.brand_reviewer)


def _twice(team: make.Team, case: CaseRecord) -> Any:
    make.decide(case, team.brand_reviewer)
    return make.decide(case, team.brand_reviewer)


def _own(team: make.Team, case: CaseRecord) -> Any:
    roles = {team.brand_id: frozenset({Role.BRAND_REVIEWER})}
    return make.decide(case, replace(team.requester, roles=roles))


ATTEMPTS: dict[str, tuple[Act, str]] = {
    "other bytes": (_other_bytes, "bytes_changed"),
    "unseen bytes": (_unseen, "not_seen"),
    "a closed case": (_closed, "illegal_transition"),
    "a voided case": (_voided, "illegal_transition"),
    "somebody else's claim": (_claimed, "claimed_by_other"),
    "a second time": (_twice, "already_decided"),
    "one's own": (_own, "not_permitted"),
    "without a reason": (
        lambda team, case: make.decide(case, team.brand_reviewer, "reject", ""),
        "reason_required",
    ),
    "another stage": (
        lambda team, case: make.decide(case, team.compliance_reviewer),
        "not_permitted",
    ),
    "another brand": (
        lambda _team, case: make.decide(case, make.Team().brand_reviewer),
        "not_found",
    ),
    "an old password": (
        lambda team, case: make.decide(case, replace(team.brand_reviewer, authenticated_at=None)),
        "reauthentication_needed",
    ),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_is_refused_and_recorded(team: make.Team, name: str) -> None:
    act, code = ATTEMPTS[name]
    case = make.open_case(team)
    with pytest.raises(DomainError) as refusal:
        act(team, case)
    assert refusal.value.code == code
    (entry,) = Entry.objects.filter(event=REFUSED)
    facts = json.loads(bytes(entry.body))["facts"]
    assert (facts["case_id"], facts["code"]) == (str(case.id), code)
    decided = Decision.objects.filter(case_id=case.id)
    assert decided.count() == {"a closed case": 1, "a second time": 1}.get(name, 0)


def test_says_which_condition_failed(team: make.Team) -> None:
    case = make.open_case(team)
    with pytest.raises(DomainError) as own:
        _own(team, case)
    assert own.value.facts["failed"] == ["is_not_contributor"]
    assert "had a part" in own.value.detail
    with pytest.raises(DomainError) as unasked:
        make.decide(case, team.compliance_reviewer)
    assert unasked.value.facts["failed"] == ["is_asked"]


def test_malformed_input_leaves_nothing(team: make.Team) -> None:
    case = make.open_case(team)
    with pytest.raises(DomainError):
        make.decide(case, team.brand_reviewer, "maybe")
    assert not Entry.objects.filter(event=REFUSED).exists()
    assert Case.objects.get(id=case.id).state == "open"


def test_too_risky_to_approve_among_many(team: make.Team, settings: Any) -> None:
    settings.BULK_RISK_BELOW = 40
    calm, risky = make.open_case(team, risk=39), make.open_case(team, risk=40)

    def decide(case: CaseRecord, verdict: str = "approve") -> Any:
        make.deliver(case, team.brand_reviewer)
        return services.decide_in_bulk(
            actor=team.brand_reviewer,
            case_id=case.id,
            verdict=verdict,
            sha256=str(case.subject.sha256),
            reason="" if verdict == "approve" else "No.",
            now=make.NOW,
        )

    assert decide(calm).verdict == "approve"
    with pytest.raises(services.TooRiskyForBulk):
        decide(risky)
    assert Entry.objects.filter(event=REFUSED).count() == 1
    assert decide(risky, "reject").case_state == "rejected"
