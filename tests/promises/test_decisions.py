"""Promises 1 to 3, the way to a decision: who is asked, what they saw and answered, in SQL."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.review import services
from governance.review.models import Answer, Claim, Decision, Seat, Turn
from governance.review.records import CaseRecord, ItemSpec, PolicyRecord, StageSpec
from governance.tables import guards
from tests.factories import review as make
from tests.promises import attacks
from tests.promises.attacks import (
    Attack,
    bound,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    replace,
)
from tests.promises.test_gate import delivered, forged_entry

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_BYTES = sha256_hex(b"other bytes")
DELIVERY_KEY = bound("review_decision", "delivery_id", "subject_id", "sha256", "reviewer_id")
DELIVERED = bound("review_delivery", "subject_id", "sha256")
ANSWER_ITEM = bound("review_answer", "item_id", "policy_id")
ANSWER_DECISION = bound("review_answer", "decision_id", "policy_id")
STAGES = (
    StageSpec("Brand", Role.BRAND_REVIEWER, key="brand", due_min=60),
    StageSpec("Legal", Role.COMPLIANCE_REVIEWER, key="legal"),
)


@dataclass
class Scene:
    """One brand with a checklist: a case in each state that an attacker would like to be in."""

    team: make.Team = field(default_factory=make.Team)
    id: UUID = field(default_factory=uuid7)
    older: PolicyRecord = field(init=False)
    policy: PolicyRecord = field(init=False)
    named: CaseRecord = field(init=False)
    fresh: CaseRecord = field(init=False)
    given: CaseRecord = field(init=False)
    decided: CaseRecord = field(init=False)
    closed: CaseRecord = field(init=False)
    changed: CaseRecord = field(init=False)
    confirmed: CaseRecord = field(init=False)
    unused: UUID = field(init=False)

    def __post_init__(self) -> None:
        team = self.team
        named = [StageSpec("Owner", people=[team.manager.id])]
        self.older = make.approved_policy(
            team, stages=named, checklist=[ItemSpec("Old?", key="old")]
        )
        self.named = make.open_case(team)
        self.policy = make.approved_policy(
            team, stages=STAGES, checklist=[ItemSpec("Whole?", key="logo")], min_view_s=0
        )
        self.fresh, self.given, self.decided, self.closed, self.changed, self.confirmed = (
            make.open_case(team) for _ in range(6)
        )
        services.claim(actor=team.brand_reviewer, case_id=self.fresh.id, now=make.NOW)
        services.assign(
            actor=team.manager,
            case_id=self.given.id,
            stage_key="brand",
            person_id=team.other_brand_reviewer.id,
            reason="She knows it.",
            roster={Role.BRAND_REVIEWER: frozenset({team.other_brand_reviewer.id})},
            now=make.NOW,
        )
        # A delivery that no decision rests on.
        self.unused = delivered(self.fresh, team.auditor.id)
        self.yes(self.decided, team.brand_reviewer)
        make.decide(self.closed, team.brand_reviewer, "reject")
        for case in (self.changed, self.confirmed):
            self.yes(case, team.brand_reviewer, "approve_with_changes")
            self.yes(case, team.compliance_reviewer)
        services.confirm_condition(
            actor=team.manager, decision_id=self.decision_of(self.confirmed), note="", now=make.NOW
        )

    def yes(self, case: CaseRecord, actor: make.Actor, verdict: str = "approve") -> None:
        make.decide(case, actor, verdict, "The caption.", checklist={"logo": "yes"})

    def decision_of(self, case: CaseRecord) -> UUID:
        return Decision.objects.filter(case_id=case.id).order_by("id")[0].id

    def turn(self, case: CaseRecord) -> UUID:
        return Turn.objects.filter(case_id=case.id).order_by("id")[0].id

    def seat(self, case: CaseRecord) -> UUID:
        return Seat.objects.filter(turn__case_id=case.id).order_by("id")[0].id

    def decision(self, case: CaseRecord, reviewer: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of an approving decision at the case's first stage."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "case_id": case.id,
            "subject_id": case.subject.id,
            "sha256": case.subject.sha256,
            "stage_id": case.stages[0].id,
            "reviewer_id": reviewer,
            "verdict": "approve",
            "policy_id": case.policy_id,
            "delivery_id": delivered(case, reviewer),
            "authenticated_at": make.NOW,
            "seen_s": 0,
            **changes,
        }

    def answer(self, case: CaseRecord, **changes: Any) -> dict[str, Any]:
        """Return the row of an answer to the present policy's item."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "decision_id": self.decision_of(case),
            "item_id": self.policy.checklist[0].id,
            "policy_id": self.policy.id,
            "answer": "yes",
            **changes,
        }

    def met(self, case: CaseRecord, person: UUID) -> dict[str, Any]:
        """Return the row that a person confirmed the changes of a case's first decision."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "decision_id": self.decision_of(case),
            "confirmed_by": person,
        }


def _approve_without_answers(scene: Scene, answer: str | None) -> None:
    """Approve a case in SQL, its last voice with this answer to the checklist, or with none."""
    case, decision_id = scene.decided, uuid7()
    legal = scene.team.compliance_reviewer.id
    row = scene.decision(case, legal, id=decision_id, stage_id=case.stages[1].id)
    insert("review_decision", **row)
    if answer is not None:
        insert("review_answer", **scene.answer(case, decision_id=decision_id, answer=answer))
    insert(
        "review_approval",
        id=scene.id,
        created_at=make.NOW,
        case_id=case.id,
        subject_id=case.subject.id,
        sha256=case.subject.sha256,
        entry_id=forged_entry(case),
        policy_id=case.policy_id,
    )


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)


@pytest.fixture
def scene() -> Iterator[Scene]:
    yield Scene()
    assert guards.missing(connection) == []


def has(table: str, **values: Any) -> Any:
    """Return the question whether the attacker's row is there, with these values."""
    return lambda scene: count(table, id=scene.id, **values) == 1


DECISIONS: tuple[Attack[Scene], ...] = (
    Attack(
        "decide unseen",
        ["review_decision_was_seen", DELIVERY_KEY],
        lambda s: insert(
            "review_decision", **s.decision(s.fresh, s.team.brand_reviewer.id, delivery_id=None)
        ),
        has("review_decision"),
        vendor="sqlite",
    ),
    Attack(
        "decide unseen",
        ["review_decision_was_seen"],
        lambda s: insert(
            "review_decision", **s.decision(s.fresh, s.team.brand_reviewer.id, delivery_id=None)
        ),
        has("review_decision"),
        vendor="postgresql",
    ),
    Attack(
        "decide on what somebody else saw",
        [DELIVERY_KEY],
        lambda s: insert(
            "review_decision",
            **s.decision(
                s.fresh,
                s.team.brand_reviewer.id,
                delivery_id=delivered(s.fresh, s.team.other_brand_reviewer.id),
            ),
        ),
        has("review_decision"),
    ),
    Attack(
        "decide on other bytes that one saw",
        [DELIVERY_KEY],
        lambda s: insert(
            "review_decision",
            **s.decision(
                s.fresh,
                s.team.brand_reviewer.id,
                delivery_id=delivered(s.given, s.team.brand_reviewer.id),
            ),
        ),
        has("review_decision"),
    ),
    Attack(
        "decide without having signed in",
        ["review_decision_was_seen"],
        lambda s: insert(
            "review_decision",
            **s.decision(s.fresh, s.team.brand_reviewer.id, authenticated_at=None),
        ),
        has("review_decision"),
    ),
    Attack(
        "decide what was given to somebody else",
        ["review_decision_by_asked"],
        lambda s: insert("review_decision", **s.decision(s.given, s.team.brand_reviewer.id)),
        has("review_decision"),
    ),
    Attack(
        "decide what the policy asks of somebody else by name",
        ["review_decision_by_asked"],
        lambda s: insert("review_decision", **s.decision(s.named, s.team.other_manager.id)),
        has("review_decision"),
    ),
    Attack(
        "pretend that other bytes were shown",
        [DELIVERED],
        lambda s: insert(
            "review_delivery",
            id=s.id,
            created_at=make.NOW,
            subject_id=s.fresh.subject.id,
            sha256=OTHER_BYTES,
            person_id=s.team.brand_reviewer.id,
        ),
        has("review_delivery"),
    ),
    Attack(
        "move what was shown to somebody else",
        ["review_delivery_append_only"],
        lambda s: change("review_delivery", s.unused, person_id=s.id),
        lambda s: count("review_delivery", person_id=s.id) == 1,
    ),
    Attack(
        "delete what was shown",
        ["review_delivery_append_only"],
        lambda s: delete("review_delivery", s.unused),
        lambda s: count("review_delivery", person_id=s.team.auditor.id) == 0,
    ),
)


def test_a_decision_is_of_whoever_is_asked_and_saw_it(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    attacks.play(DECISIONS, scene, subtests)


FIRST_SIGHT = Attack[Scene](
    "decide at first sight",
    ["review_decision_takes_time"],
    lambda s: insert("review_decision", **s.decision(s.fresh, s.team.brand_reviewer.id, seen_s=4)),
    has("review_decision"),
)


def test_a_policy_may_ask_for_a_longer_look(scene: Scene, subtests: pytest.Subtests) -> None:
    make.approved_policy(scene.team, min_view_s=5)
    scene.fresh = make.open_case(scene.team)
    attacks.play([FIRST_SIGHT], scene, subtests)


ANSWERS: tuple[Attack[Scene], ...] = (
    Attack(
        "approve with a question left open",
        ["review_approval_checklist"],
        lambda s: _approve_without_answers(s, None),
        has("review_approval"),
    ),
    Attack(
        "approve with a no",
        ["review_approval_checklist"],
        lambda s: _approve_without_answers(s, "no"),
        has("review_approval"),
    ),
    Attack(
        "answer an item of another policy",
        [ANSWER_ITEM],
        lambda s: insert("review_answer", **s.answer(s.decided, item_id=s.older.checklist[0].id)),
        has("review_answer"),
    ),
    Attack(
        "answer under another policy than the decision",
        [ANSWER_DECISION],
        lambda s: insert(
            "review_answer",
            **s.answer(s.decided, item_id=s.older.checklist[0].id, policy_id=s.older.id),
        ),
        has("review_answer"),
    ),
    Attack(
        "answer twice",
        ["review_answer_once", constraint("review_answer", "answer_is_given_once")],
        lambda s: insert("review_answer", **s.answer(s.decided, answer="not_applicable")),
        has("review_answer"),
    ),
    Attack(
        "answer otherwise afterwards",
        ["review_answer_append_only"],
        lambda s: change("review_answer", _answer_of(s), answer="not_applicable"),
        lambda s: count("review_answer", id=_answer_of(s), answer="not_applicable") == 1,
    ),
    Attack(
        "take an answer back",
        ["review_answer_append_only"],
        lambda s: delete("review_answer", _answer_of(s)),
        lambda s: count("review_answer", decision_id=s.decision_of(s.decided)) == 0,
    ),
    Attack(
        "answer when the case is over",
        ["review_answer_with_decision"],
        lambda s: insert("review_answer", **s.answer(s.closed)),
        has("review_answer"),
    ),
    Attack(
        "invent an answer",
        [
            constraint("review_answer", "answer_is_known"),
            "review_answer_once",
            constraint("review_answer", "answer_is_given_once"),
        ],
        lambda s: insert("review_answer", **s.answer(s.decided, answer="perhaps")),
        has("review_answer"),
    ),
    Attack(
        "confirm one's own changes",
        ["review_conditionmet_by_another"],
        lambda s: insert("review_conditionmet", **s.met(s.changed, s.team.requester.id)),
        has("review_conditionmet"),
    ),
    Attack(
        "confirm where no changes were asked for",
        ["review_conditionmet_by_another"],
        lambda s: insert("review_conditionmet", **s.met(s.decided, s.team.manager.id)),
        has("review_conditionmet"),
    ),
    Attack(
        "take a confirmation back",
        ["review_conditionmet_append_only"],
        lambda s: delete("review_conditionmet", s.decision_of(s.confirmed), key="decision_id"),
        lambda s: count("review_conditionmet", decision_id=s.decision_of(s.confirmed)) == 0,
    ),
    Attack(
        "replace a confirmation by its decision",
        ["review_conditionmet_once"],
        lambda s: replace(
            "review_conditionmet", key="id", **s.met(s.confirmed, s.team.other_manager.id)
        ),
        has("review_conditionmet"),
        vendor="sqlite",
    ),
)


def _answer_of(scene: Scene) -> UUID:
    return Answer.objects.get(decision_id=scene.decision_of(scene.decided)).id


def test_an_approval_answers_the_checklist_and_its_changes_are_confirmed(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    attacks.play(ANSWERS, scene, subtests)


def _seat(scene: Scene, case: CaseRecord, audience: str, **changes: Any) -> dict[str, Any]:
    return {
        **copied("review_seat", scene.seat(case)),
        "id": scene.id,
        "audience": audience,
        "closed_at": None,
        **changes,
    }


def _turn(scene: Scene, case: CaseRecord, stage: int) -> dict[str, Any]:
    return {
        "id": scene.id,
        "created_at": make.NOW,
        "case_id": case.id,
        "stage_id": case.stages[stage].id,
        "escalations": 0,
    }


TURNS: tuple[Attack[Scene], ...] = (
    Attack(
        "open the last stage beside the first",
        ["review_turn_of_present_stage"],
        lambda s: insert("review_turn", **_turn(s, s.fresh, 1)),
        has("review_turn"),
    ),
    Attack(
        "open a stage of a closed case",
        ["review_turn_of_present_stage"],
        lambda s: insert("review_turn", **_turn(s, s.closed, 1)),
        has("review_turn"),
    ),
    Attack(
        "open a stage twice",
        ["review_turn_once", constraint("review_turn", "turn_of_each_stage")],
        lambda s: insert("review_turn", **_turn(s, s.fresh, 0)),
        has("review_turn"),
    ),
    Attack(
        "close a stage before its quorum",
        ["review_turn_closes_when_done"],
        lambda s: change("review_turn", s.turn(s.fresh), closed_at=make.NOW),
        lambda s: count("review_turn", id=s.turn(s.fresh), closed_at=make.NOW) == 1,
    ),
    Attack(
        "open a closed stage again",
        ["review_turn_stays_closed"],
        lambda s: change("review_turn", s.turn(s.decided), closed_at=None),
        lambda s: Turn.objects.filter(id=s.turn(s.decided), closed_at=None).exists(),
    ),
    Attack(
        "put off when a stage is due",
        ["review_turn_frozen"],
        lambda s: change("review_turn", s.turn(s.fresh), due_at=make.NOW),
        lambda s: count("review_turn", id=s.turn(s.fresh), due_at=make.NOW) == 1,
    ),
    Attack(
        "delete a turn with its seats",
        ["review_turn_never_deleted", "review_seat_never_deleted"],
        lambda s: (
            delete("review_seat", s.turn(s.named), key="turn_id"),
            delete("review_turn", s.named.id, key="case_id"),
        )[0],
        lambda s: not Turn.objects.filter(case_id=s.named.id).exists(),
    ),
    Attack(
        "ask a role that the policy does not name",
        ["review_seat_of_policy"],
        lambda s: insert("review_seat", **_seat(s, s.fresh, "role:marketer")),
        has("review_seat"),
    ),
    Attack(
        "ask a friend",
        ["review_seat_of_policy"],
        lambda s: insert("review_seat", **_seat(s, s.fresh, f"person:{s.team.auditor.id}")),
        has("review_seat"),
    ),
    Attack(
        "ask the later stage's people now",
        ["review_seat_of_policy"],
        lambda s: insert("review_seat", **_seat(s, s.fresh, "role:compliance_reviewer")),
        has("review_seat"),
    ),
    Attack(
        "ask twice",
        ["review_seat_once", constraint("review_seat", "seat_is_given_once")],
        lambda s: insert("review_seat", **_seat(s, s.fresh, "role:brand_reviewer")),
        has("review_seat"),
    ),
    Attack(
        "ask in a closed stage",
        ["review_seat_in_open_turn"],
        lambda s: insert("review_seat", **_seat(s, s.decided, "role:brand_reviewer")),
        has("review_seat"),
    ),
    Attack(
        "ask in another brand",
        ["review_seat_in_open_turn"],
        lambda s: insert(
            "review_seat",
            **_seat(s, s.given, "role:brand_reviewer", brand_id=uuid7()),
        ),
        has("review_seat"),
    ),
    Attack(
        "ask those again from whom it was taken",
        ["review_seat_stays_closed"],
        lambda s: change("review_seat", s.seat(s.given), closed_at=None),
        lambda s: Seat.objects.filter(id=s.seat(s.given), closed_at=None).exists(),
    ),
    Attack(
        "move a seat to somebody else",
        ["review_seat_frozen"],
        lambda s: change("review_seat", s.seat(s.fresh), audience=f"person:{s.id}"),
        lambda s: count("review_seat", audience=f"person:{s.id}") == 1,
    ),
    Attack(
        "delete a seat",
        ["review_seat_never_deleted"],
        lambda s: delete("review_seat", s.seat(s.fresh)),
        lambda s: not Seat.objects.filter(turn_id=s.turn(s.fresh)).exists(),
    ),
    Attack(
        "claim a closed stage",
        ["review_claim_on_open_turn"],
        lambda s: insert("review_claim", **_claim(s, s.decided)),
        has("review_claim"),
    ),
    Attack(
        "claim twice",
        ["review_claim_once", constraint("review_claim", "claim_of_a_person")],
        lambda s: insert("review_claim", **_claim(s, s.fresh)),
        has("review_claim"),
    ),
    Attack(
        "claim in another's name",
        ["review_claim_frozen"],
        lambda s: change("review_claim", _claim_of(s), person_id=s.id),
        lambda s: count("review_claim", person_id=s.id) == 1,
    ),
    Attack(
        "delete a claim",
        ["review_claim_never_deleted"],
        lambda s: delete("review_claim", _claim_of(s)),
        lambda _: not Claim.objects.exists(),
    ),
    Attack(
        "give a review to whoever ordered the image",
        ["review_assignment_to_uninvolved"],
        lambda s: insert("review_assignment", **_assignment(s, s.fresh, s.team.requester.id)),
        has("review_assignment"),
    ),
    Attack(
        "give a closed stage to somebody",
        ["review_assignment_of_open_turn"],
        lambda s: insert("review_assignment", **_assignment(s, s.decided, s.team.auditor.id)),
        has("review_assignment"),
    ),
    Attack(
        "give a review to oneself",
        [constraint("review_assignment", "assignment_by_another")],
        lambda s: insert("review_assignment", **_assignment(s, s.fresh, s.team.manager.id)),
        has("review_assignment"),
    ),
    Attack(
        "name another who was given it",
        ["review_assignment_append_only"],
        lambda s: change("review_assignment", s.turn(s.given), key="turn_id", person_id=s.id),
        lambda s: count("review_assignment", person_id=s.id) == 1,
    ),
    Attack(
        "come after a subject of another brand",
        ["review_subject_after_parent"],
        lambda s: insert(
            "review_subject",
            id=s.id,
            created_at=make.NOW,
            kind="asset",
            sha256=OTHER_BYTES,
            brand_id=uuid7(),
            parent_id=s.fresh.subject.id,
        ),
        has("review_subject"),
    ),
)


def _claim(scene: Scene, case: CaseRecord) -> dict[str, Any]:
    return {
        "id": scene.id,
        "created_at": make.NOW,
        "turn_id": scene.turn(case),
        "person_id": scene.team.brand_reviewer.id,
        "until": make.NOW,
    }


def _claim_of(scene: Scene) -> UUID:
    return Claim.objects.get(turn_id=scene.turn(scene.fresh)).id


def _assignment(scene: Scene, case: CaseRecord, person: UUID) -> dict[str, Any]:
    return {
        "id": scene.id,
        "created_at": make.NOW,
        "turn_id": scene.turn(case),
        "person_id": person,
        "assigned_by": scene.team.manager.id,
        "reason": b"x",
    }


def test_who_is_asked_is_as_the_policy_says(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(TURNS, scene, subtests)
