"""Promise 1 and 2, the gate and the bytes: raw SQL against every guard of review and release."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.release import services as release
from governance.release.records import ReleaseRecord
from governance.review import selectors, services
from governance.review.records import CaseRecord, CaseStage, PolicyRecord
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

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_BYTES = sha256_hex(b"other bytes")

# The chain of keys: release → approval, decision → case → subject, each with the sha256.
CASE_KEY = bound("review_case", "subject_id", "sha256", "brand_id")
DECISION_KEY = bound("review_decision", "case_id", "subject_id", "sha256", "policy_id")
DECISION_STAGE = bound("review_decision", "stage_id", "policy_id")
DELIVERY_KEY = bound("review_decision", "delivery_id", "subject_id", "sha256", "reviewer_id")
# Whoever is not at an open turn of the present stage meets both.
OUT_OF_TURN = ("review_decision_on_open_stage", "review_decision_by_asked")
APPROVAL_KEY = bound("review_approval", "case_id", "subject_id", "sha256", "policy_id")
APPROVAL_ENTRY = bound("review_approval", "entry_id")
RELEASE_APPROVAL = bound("release_release", "approval_id", "subject_id", "reviewed_sha256")
RELEASE_BRAND = bound("release_release", "subject_id", "reviewed_sha256", "brand_id")


@dataclass
class Review:
    """One brand in the middle of its work: a case in each state, for an attacker to choose from."""

    folder: Path
    team: make.Team = field(default_factory=make.Team)
    older_policy: PolicyRecord = field(init=False)
    policy: PolicyRecord = field(init=False)
    proposed: PolicyRecord = field(init=False)
    fresh: CaseRecord = field(init=False)
    # Reached by the sections that need them.
    loose: SubjectRef = field(init=False)
    waiting: CaseRecord = field(init=False)
    pair: CaseRecord = field(init=False)
    full: CaseRecord = field(init=False)
    disputed: CaseRecord = field(init=False)
    decided: CaseRecord = field(init=False)
    rejected: CaseRecord = field(init=False)
    rejection: UUID = field(init=False)
    bare: UUID = field(init=False)
    voided: CaseRecord = field(init=False)
    approved: CaseRecord = field(init=False)
    approval_id: UUID = field(init=False)
    template: CaseRecord = field(init=False)
    unproven: CaseRecord = field(init=False)
    unsigned: CaseRecord = field(init=False)
    proven: CaseRecord = field(init=False)
    gone: CaseRecord = field(init=False)
    released: ReleaseRecord = field(init=False)
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        self.older_policy = make.approved_policy(self.team, stages=[make.BRAND_STAGE])
        self.policy = make.approved_policy(self.team)
        self.fresh = make.open_case(self.team)

        self.proposed = services.propose_policy(
            actor=self.team.manager,
            brand_id=self.team.brand_id,
            subject_kind="asset",
            name="Next",
            stages=make.TWO_STAGES,
            now=make.NOW,
        )

    def decision(self, case: CaseRecord, reviewer: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of an approving decision at the case's first stage, on delivered bytes."""
        return {
            "id": self.id,
            "delivery_id": delivered(case, reviewer),
            "authenticated_at": make.NOW,
            "seen_s": 0,
            "created_at": make.NOW,
            "case_id": case.id,
            "subject_id": case.subject.id,
            "sha256": case.subject.sha256,
            "stage_id": case.stages[0].id,
            "reviewer_id": reviewer,
            "verdict": "approve",
            "reason": None,
            "policy_id": case.policy_id,
            **changes,
        }

    def release(self, case: CaseRecord | None = None, **changes: Any) -> dict[str, Any]:
        """Return the row of a release of an approved case, by default the proven one."""
        case = case or self.proven
        return {
            "id": self.id,
            "created_at": make.NOW,
            "approval_id": selectors.get_approval(case_id=case.id).id,
            "subject_id": case.subject.id,
            "brand_id": case.brand_id,
            "reviewed_sha256": case.subject.sha256,
            "marked_sha256": sha256_hex(b"marked"),
            "media_type": "image/png",
            "marking_profile": "xmp+c2pa/1",
            **changes,
        }

    def approval(self, case: CaseRecord, **changes: Any) -> dict[str, Any]:
        """Return the row of an approval, with a ledger entry forged to go with it."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "case_id": case.id,
            "subject_id": case.subject.id,
            "sha256": case.subject.sha256,
            "entry_id": forged_entry(case),
            "policy_id": case.policy_id,
            **changes,
        }


def delivered(case: CaseRecord, person_id: UUID) -> UUID:
    """Write that the case's bytes were sent to a person's screen: allowed, for anybody."""
    delivery_id = uuid7()
    insert(
        "review_delivery",
        id=delivery_id,
        created_at=make.NOW,
        subject_id=case.subject.id,
        sha256=case.subject.sha256,
        person_id=person_id,
    )
    return delivery_id


def open_turn(case: CaseRecord, stage: CaseStage) -> None:
    """Open a stage of the case's present position in SQL, and ask its role."""
    turn_id = uuid7()
    insert(
        "review_turn",
        id=turn_id,
        created_at=make.NOW,
        case_id=case.id,
        stage_id=stage.id,
        escalations=0,
    )
    insert(
        "review_seat",
        id=uuid7(),
        created_at=make.NOW,
        turn_id=turn_id,
        brand_id=case.brand_id,
        audience=f"role:{stage.role}",
        risk=case.risk,
    )


def forged_entry(case: CaseRecord, event: str = "review.case.approved") -> UUID:
    """Write the ledger entry that an approval of this case would have."""
    entry_id = uuid7()
    insert(
        "ledger_entry",
        id=entry_id,
        created_at=make.NOW,
        event=event,
        brand_id=case.brand_id,
        subject_kind="asset",
        subject_id=case.subject.id,
        actor_id=uuid7(),
        body=b"{}",
    )
    return entry_id


def quorum(review: Review, case: CaseRecord) -> None:
    """Write the decisions of a full quorum in SQL: allowed, as the database knows no roles."""
    insert(
        "review_decision",
        **{**review.decision(case, review.team.brand_reviewer.id), "id": uuid7()},
    )
    change("review_case", case.id, stage_position=2)
    open_turn(case, case.stages[1])
    insert(
        "review_decision",
        **{
            **review.decision(case, review.team.compliance_reviewer.id),
            "id": uuid7(),
            "stage_id": case.stages[1].id,
        },
    )


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)


@pytest.fixture
def review(tmp_path: Path) -> Iterator[Review]:
    yield Review(tmp_path / "relay")
    assert guards.missing(connection) == []


def has(table: str, **values: Any) -> Any:
    """Return the question whether the attacker's row is there, with these values."""
    return lambda review: count(table, id=review.id, **values) == 1


# Subjects: what is decided about, and by whom it was made.


SUBJECTS = (
    Attack(
        "swap the hash of what is under review",
        ["review_subject_append_only", CASE_KEY],
        lambda r: change("review_subject", r.fresh.subject.id, sha256=OTHER_BYTES),
        lambda _: count("review_subject", sha256=OTHER_BYTES) == 1,
    ),
    Attack(
        "swap the hash of a subject before its case",
        ["review_subject_append_only"],
        lambda r: change("review_subject", r.id, sha256=OTHER_BYTES),
        lambda _: count("review_subject", sha256=OTHER_BYTES) == 1,
    ),
    Attack(
        "replace a subject by another of its id",
        ["review_subject_append_only"],
        lambda r: replace(
            "review_subject", key="id", **{**copied("review_subject", r.id), "sha256": OTHER_BYTES}
        ),
        lambda _: count("review_subject", sha256=OTHER_BYTES) == 1,
    ),
    Attack(
        "delete a subject",
        ["review_subject_append_only"],
        lambda r: delete("review_subject", r.id),
        lambda r: count("review_subject", id=r.id) == 0,
    ),
)


def test_a_subject_keeps_its_bytes(review: Review, subtests: pytest.Subtests) -> None:
    subject = copied("review_subject", review.fresh.subject.id)
    insert("review_subject", **{**subject, "id": review.id})
    attacks.play(SUBJECTS, review, subtests)


# Cases: one per subject, moved only by what was decided.


def case_row(review: Review, **changes: Any) -> dict[str, Any]:
    """Return the row of a case about the loose subject."""
    fresh = copied("review_case", review.fresh.id)
    return {**fresh, "id": review.id, "subject_id": review.loose.id, **changes}


CASES = (
    Attack(
        "open a case in another brand",
        [CASE_KEY],
        lambda r: insert("review_case", **case_row(r, sha256=r.loose.sha256, brand_id=uuid7())),
        has("review_case"),
    ),
    Attack(
        "open a case on other bytes",
        [CASE_KEY],
        lambda r: insert("review_case", **case_row(r, sha256=OTHER_BYTES)),
        has("review_case"),
    ),
    Attack(
        "open a case under an older policy",
        ["review_case_policy"],
        lambda r: insert(
            "review_case", **case_row(r, sha256=r.loose.sha256, policy_id=r.older_policy.id)
        ),
        has("review_case"),
    ),
    Attack(
        "open a case under a mere proposal",
        ["review_case_policy"],
        lambda r: insert(
            "review_case", **case_row(r, sha256=r.loose.sha256, policy_id=r.proposed.id)
        ),
        has("review_case"),
    ),
    Attack(
        "open a case at its last stage",
        ["review_case_starts_open"],
        lambda r: insert("review_case", **case_row(r, sha256=r.loose.sha256, stage_position=2)),
        has("review_case"),
    ),
    Attack(
        "open a case that is approved",
        ["review_case_starts_open"],
        lambda r: insert(
            "review_case",
            **case_row(r, sha256=r.loose.sha256, state="approved", closed_at=make.NOW),
        ),
        has("review_case"),
    ),
    Attack(
        "open a second case beside the first",
        ["review_case_only_one", constraint("review_case", "case_is_the_only_one")],
        lambda r: insert("review_case", **{**copied("review_case", r.fresh.id), "id": r.id}),
        has("review_case"),
    ),
    Attack(
        "replace the case by its subject",
        ["review_case_only_one"],
        lambda r: replace("review_case", key="id", **{**copied("review_case", r.bare), "id": r.id}),
        has("review_case"),
        vendor="sqlite",
    ),
    Attack(
        "replace the case by its id",
        ["review_case_never_deleted", "review_case_only_one"],
        lambda r: replace(
            "review_case", key="id", **{**copied("review_case", r.fresh.id), "title": "Swapped"}
        ),
        lambda _: count("review_case", title="Swapped") == 1,
        vendor="sqlite",
    ),
    Attack(
        "delete the case",
        ["review_case_never_deleted"],
        lambda r: delete("review_case", r.bare),
        lambda r: count("review_case", id=r.bare) == 0,
    ),
    Attack(
        "move the case to the laxer policy",
        ["review_case_frozen"],
        lambda r: change("review_case", r.fresh.id, policy_id=r.older_policy.id),
        lambda r: count("review_case", policy_id=r.older_policy.id) == 1,
    ),
    Attack(
        "point the case at another subject",
        ["review_case_frozen"],
        lambda r: change("review_case", r.fresh.id, subject_id=r.loose.id, sha256=r.loose.sha256),
        lambda r: count("review_case", subject_id=r.loose.id) == 1,
    ),
    Attack(
        "skip the brand stage",
        ["review_case_stage_by_stage"],
        lambda r: change("review_case", r.fresh.id, stage_position=2),
        lambda r: count("review_case", id=r.fresh.id, stage_position=2) == 1,
    ),
    Attack(
        "call the case approved",
        ["review_case_approved_by_approval"],
        lambda r: change("review_case", r.fresh.id, state="approved", closed_at=make.NOW),
        lambda r: count("review_case", id=r.fresh.id, state="approved") == 1,
    ),
    Attack(
        "call the rejected case approved",
        ["review_case_moves", "review_case_approved_by_approval"],
        lambda r: change("review_case", r.rejected.id, state="approved"),
        lambda r: count("review_case", id=r.rejected.id, state="approved") == 1,
    ),
    Attack(
        "open the rejected case again",
        ["review_case_moves"],
        lambda r: change("review_case", r.rejected.id, state="open", closed_at=None),
        lambda r: count("review_case", id=r.rejected.id, state="open") == 1,
    ),
    Attack(
        "void the rejected case, to ask again",
        ["review_case_moves"],
        lambda r: change("review_case", r.rejected.id, state="voided"),
        lambda r: count("review_case", id=r.rejected.id, state="voided") == 1,
    ),
    Attack(
        "ask again beside the rejected case",
        ["review_case_only_one", constraint("review_case", "case_is_the_only_one")],
        lambda r: insert(
            "review_case",
            **{
                **copied("review_case", r.fresh.id),
                "id": r.id,
                "subject_id": r.rejected.subject.id,
                "sha256": r.rejected.subject.sha256,
            },
        ),
        has("review_case"),
    ),
)


def test_a_case_moves_only_by_what_was_decided(review: Review, subtests: pytest.Subtests) -> None:
    review.loose = make.subject(review.team)
    # One that no turn points to yet: a key from there would stop its removal by itself.
    other = make.subject(review.team)
    review.bare = uuid7()
    row = {"id": review.bare, "subject_id": other.id, "sha256": other.sha256}
    insert("review_case", **{**copied("review_case", review.fresh.id), **row})
    review.rejected = make.open_case(review.team)
    make.decide(review.rejected, review.team.brand_reviewer, "reject")
    attacks.play(CASES, review, subtests)


# Decisions: by somebody else, on these bytes, at this stage, once, for good.


DECISIONS = (
    Attack(
        "review other bytes",
        [DECISION_KEY, DELIVERY_KEY],
        lambda r: insert(
            "review_decision",
            **r.decision(r.fresh, r.team.brand_reviewer.id, sha256=OTHER_BYTES),
        ),
        has("review_decision"),
    ),
    Attack(
        "review another subject in this case",
        [DECISION_KEY, DELIVERY_KEY],
        lambda r: insert(
            "review_decision",
            **r.decision(
                r.fresh,
                r.team.brand_reviewer.id,
                subject_id=r.decided.subject.id,
                sha256=r.decided.subject.sha256,
            ),
        ),
        has("review_decision"),
    ),
    Attack(
        "review under the laxer policy",
        [DECISION_KEY, *OUT_OF_TURN],
        lambda r: insert(
            "review_decision",
            **r.decision(
                r.fresh,
                r.team.brand_reviewer.id,
                policy_id=r.older_policy.id,
                stage_id=r.older_policy.stages[0].id,
            ),
        ),
        has("review_decision"),
    ),
    Attack(
        "review by a stage of another policy",
        [DECISION_STAGE, *OUT_OF_TURN],
        lambda r: insert(
            "review_decision",
            **r.decision(r.fresh, r.team.brand_reviewer.id, stage_id=r.older_policy.stages[0].id),
        ),
        has("review_decision"),
    ),
    Attack(
        "take the last stage first",
        OUT_OF_TURN,
        lambda r: insert(
            "review_decision",
            **r.decision(r.fresh, r.team.compliance_reviewer.id, stage_id=r.fresh.stages[1].id),
        ),
        has("review_decision"),
    ),
    Attack(
        "decide on a closed case",
        OUT_OF_TURN,
        lambda r: insert(
            "review_decision", **r.decision(r.rejected, r.team.other_brand_reviewer.id)
        ),
        has("review_decision"),
    ),
    Attack(
        "decide twice",
        [
            "review_decision_once",
            constraint("review_decision", "decision_is_made_once"),
        ],
        lambda r: insert("review_decision", **r.decision(r.waiting, r.team.brand_reviewer.id)),
        has("review_decision"),
    ),
    Attack(
        "replace one's own decision",
        ["review_decision_once"],
        lambda r: replace(
            "review_decision", key="id", **r.decision(r.waiting, r.team.brand_reviewer.id)
        ),
        has("review_decision"),
        vendor="sqlite",
    ),
    Attack(
        "replace a rejection by its id",
        [
            "review_decision_append_only",
            "review_decision_once",
            *OUT_OF_TURN,
        ],
        lambda r: replace(
            "review_decision",
            key="id",
            **{**copied("review_decision", r.rejection), "verdict": "approve"},
        ),
        lambda r: count("review_decision", id=r.rejection, verdict="approve") == 1,
    ),
    Attack(
        "flip a rejection",
        ["review_decision_append_only"],
        lambda r: change("review_decision", r.rejection, verdict="approve"),
        lambda r: count("review_decision", id=r.rejection, verdict="approve") == 1,
    ),
    Attack(
        "put a decision in another's name",
        ["review_decision_append_only", DELIVERY_KEY],
        lambda r: change("review_decision", r.rejection, reviewer_id=r.team.auditor.id),
        lambda r: count("review_decision", reviewer_id=r.team.auditor.id) == 1,
    ),
    Attack(
        "delete a rejection",
        ["review_decision_append_only"],
        lambda r: delete("review_decision", r.rejection),
        lambda r: count("review_decision", id=r.rejection) == 0,
    ),
    Attack(
        "reject without a reason",
        [constraint("review_decision", "decision_against_has_a_reason")],
        lambda r: insert(
            "review_decision", **r.decision(r.fresh, r.team.brand_reviewer.id, verdict="reject")
        ),
        has("review_decision"),
    ),
    Attack(
        "invent a verdict",
        [constraint("review_decision", "decision_has_a_verdict")],
        lambda r: insert(
            "review_decision",
            **r.decision(r.fresh, r.team.brand_reviewer.id, verdict="waved through", reason=b"x"),
        ),
        has("review_decision"),
    ),
)


def test_a_decision_is_for_these_bytes_and_for_good(
    review: Review, subtests: pytest.Subtests
) -> None:
    review.decided = make.open_case(review.team)
    review.rejected = make.open_case(review.team)
    review.rejection = make.decide(review.rejected, review.team.brand_reviewer, "reject").id
    review.waiting = waiting_case(review)
    attacks.play(DECISIONS, review, subtests)


def waiting_case(review: Review) -> CaseRecord:
    """Return a case whose first stage has one voice and stays open."""
    case = make.open_case(review.team)
    insert(
        "review_decision", **{**review.decision(case, review.team.brand_reviewer.id), "id": uuid7()}
    )
    return case


# Approvals: every stage, its quorum, different people, nobody against.


APPROVALS = (
    Attack(
        "approve without any decision",
        ["review_approval_quorum"],
        lambda r: insert("review_approval", **r.approval(r.fresh)),
        has("review_approval"),
    ),
    Attack(
        "approve after one stage of two",
        ["review_approval_quorum"],
        lambda r: insert("review_approval", **r.approval(r.waiting)),
        has("review_approval"),
    ),
    Attack(
        "approve with the same person twice",
        [
            "review_decision_once",
            constraint("review_decision", "decision_is_made_once"),
            "review_approval_quorum",
        ],
        lambda r: (
            insert(
                "review_decision",
                **{**r.decision(r.pair, r.team.brand_reviewer.id), "id": uuid7()},
            ),
            insert("review_approval", **r.approval(r.pair)),
        ),
        has("review_approval"),
    ),
    Attack(
        "approve with a contributor",
        ["review_decision_by_contributor", "review_approval_quorum"],
        lambda r: (
            insert("review_decision", **{**r.decision(r.pair, r.team.requester.id), "id": uuid7()}),
            insert("review_approval", **r.approval(r.pair)),
        ),
        has("review_approval"),
    ),
    Attack(
        "approve with one who joined in afterwards",
        ["review_contribution_after_deciding", "review_approval_quorum"],
        lambda r: (
            insert(
                "review_contribution",
                id=uuid7(),
                created_at=make.NOW,
                subject_id=r.full.subject.id,
                actor_id=r.team.brand_reviewer.id,
                part="editor",
            ),
            insert("review_approval", **r.approval(r.full)),
        ),
        has("review_approval"),
    ),
    Attack(
        "approve against a rejection",
        ["review_approval_no_objection"],
        lambda r: insert("review_approval", **r.approval(r.disputed)),
        has("review_approval"),
    ),
    Attack(
        "approve under the laxer policy, without the quorum of its own",
        [
            APPROVAL_KEY,
            "review_approval_quorum",
        ],
        lambda r: insert("review_approval", **r.approval(r.waiting, policy_id=r.older_policy.id)),
        has("review_approval"),
    ),
    Attack(
        "approve under another policy",
        [APPROVAL_KEY],
        lambda r: insert("review_approval", **r.approval(r.full, policy_id=r.older_policy.id)),
        has("review_approval"),
    ),
    Attack(
        "approve other bytes",
        [
            APPROVAL_KEY,
            "review_approval_quorum",
        ],
        lambda r: insert("review_approval", **r.approval(r.full, sha256=OTHER_BYTES)),
        has("review_approval"),
    ),
    Attack(
        "approve another subject with this case",
        [
            APPROVAL_KEY,
            "review_approval_entry",
        ],
        lambda r: insert("review_approval", **r.approval(r.full, subject_id=r.fresh.subject.id)),
        has("review_approval"),
    ),
    Attack(
        "approve a voided case",
        ["review_approval_of_open_case"],
        lambda r: insert("review_approval", **r.approval(r.voided)),
        has("review_approval"),
    ),
    Attack(
        "approve without a ledger entry",
        [APPROVAL_ENTRY, "review_approval_entry"],
        lambda r: insert("review_approval", **r.approval(r.full, entry_id=uuid7())),
        has("review_approval"),
    ),
    Attack(
        "approve by the entry of another act",
        ["review_approval_entry"],
        lambda r: insert(
            "review_approval",
            **r.approval(r.full, entry_id=forged_entry(r.full, "review.case.opened")),
        ),
        has("review_approval"),
    ),
    Attack(
        "approve by another approval's proven entry",
        [
            "review_approval_entry",
            "review_approval_own_entry",
            constraint("review_approval", "approval_has_its_own_entry"),
        ],
        lambda r: insert(
            "review_approval",
            **r.approval(r.full, entry_id=copied("review_approval", r.approval_id)["entry_id"]),
        ),
        has("review_approval"),
    ),
    Attack(
        "replace an approval by its id",
        ["review_approval_append_only", "review_approval_once", "review_approval_of_open_case"],
        lambda r: replace(
            "review_approval",
            key="id",
            **{
                **copied("review_approval", r.approval_id),
                "entry_id": forged_entry(r.approved),
                "created_at": "2001-01-01 00:00:00",
            },
        ),
        lambda _: count("review_approval", created_at="2001-01-01 00:00:00") == 1,
    ),
    Attack(
        "move an approval to other bytes",
        [
            "review_approval_append_only",
            APPROVAL_KEY,
        ],
        lambda r: change("review_approval", r.approval_id, sha256=OTHER_BYTES),
        lambda _: count("review_approval", sha256=OTHER_BYTES) == 1,
    ),
    Attack(
        "delete an approval",
        ["review_approval_append_only"],
        lambda r: delete("review_approval", r.approval_id),
        lambda r: count("review_approval", id=r.approval_id) == 0,
    ),
)


def test_an_approval_needs_everybody(review: Review, subtests: pytest.Subtests) -> None:
    team = review.team
    review.waiting = waiting_case(review)
    review.full = make.open_case(team)
    quorum(review, review.full)
    review.voided = make.open_case(team)
    quorum(review, review.voided)
    services.void_case(actor=team.manager, case_id=review.voided.id, reason="Old.", now=make.NOW)
    review.disputed = make.open_case(team)
    objection = review.decision(review.disputed, team.other_brand_reviewer.id, verdict="reject")
    insert("review_decision", **{**objection, "reason": b"No.", "id": uuid7()})
    quorum(review, review.disputed)
    review.approved = make.open_case(team)
    review.approval_id = make.approve(team, review.approved)
    two_voices = replaced(make.BRAND_STAGE, quorum=2)
    make.approved_policy(team, stages=[two_voices])
    review.pair = waiting_case(review)
    attacks.play(APPROVALS, review, subtests)


# Releases: of an approval, of its bytes, proven, marked, while it stands.


RELEASES = (
    Attack(
        "release without an approval",
        [RELEASE_APPROVAL],
        lambda r: insert("release_release", **r.release(approval_id=uuid7())),
        has("release_release"),
    ),
    Attack(
        "release the rejected image by another's approval",
        [RELEASE_APPROVAL],
        lambda r: insert(
            "release_release",
            **r.release(
                subject_id=r.rejected.subject.id, reviewed_sha256=r.rejected.subject.sha256
            ),
        ),
        has("release_release"),
    ),
    Attack(
        "release other bytes than the reviewed",
        [
            RELEASE_APPROVAL,
            RELEASE_BRAND,
        ],
        lambda r: insert("release_release", **r.release(reviewed_sha256=OTHER_BYTES)),
        has("release_release"),
    ),
    Attack(
        "release into another brand",
        [RELEASE_BRAND],
        lambda r: insert("release_release", **r.release(brand_id=uuid7())),
        has("release_release"),
    ),
    Attack(
        "release before the checkpoint",
        ["release_release_proven"],
        lambda r: insert("release_release", **r.release(r.unproven)),
        has("release_release"),
    ),
    Attack(
        "release what was sequenced but not signed",
        ["release_release_proven"],
        lambda r: insert("release_release", **r.release(r.unsigned)),
        has("release_release"),
    ),
    Attack(
        "release a voided case",
        ["release_release_case_stands"],
        lambda r: insert("release_release", **r.release(r.voided)),
        has("release_release"),
    ),
    Attack(
        "release a template",
        ["release_release_is_asset"],
        lambda r: insert("release_release", **r.release(r.template)),
        has("release_release"),
    ),
    Attack(
        "release without marks",
        [constraint("release_release", "release_is_marked")],
        lambda r: insert("release_release", **r.release(marked_sha256=r.proven.subject.sha256)),
        has("release_release"),
    ),
    Attack(
        "release twice",
        [
            "release_release_once",
            constraint("release_release", "release_has_its_own_approval"),
        ],
        lambda r: insert("release_release", **r.release(r.gone)),
        has("release_release"),
    ),
    Attack(
        "replace a release by its approval",
        ["release_release_once"],
        lambda r: (
            insert("release_release", **{**r.release(), "id": uuid7()}),
            replace("release_release", key="id", **r.release()),
        ),
        has("release_release"),
        vendor="sqlite",
    ),
    Attack(
        "swap the marked bytes of a release",
        ["release_release_append_only"],
        lambda r: change("release_release", r.released.id, marked_sha256=OTHER_BYTES),
        lambda _: count("release_release", marked_sha256=OTHER_BYTES) == 1,
    ),
    Attack(
        "void a case that is released",
        ["review_case_void_before_release"],
        lambda r: change("review_case", r.gone.id, state="voided"),
        lambda r: count("review_case", id=r.gone.id, state="voided") == 1,
    ),
    Attack(
        "rewrite a passport",
        ["release_passport_append_only"],
        lambda r: change("release_passport", r.released.id, key="release_id", document=b"{}"),
        lambda _: count("release_passport", document=b"{}") == 1,
    ),
    Attack(
        "replace a passport",
        ["release_passport_append_only"],
        lambda r: replace(
            "release_passport",
            key="release_id",
            **{
                **copied("release_passport", r.released.id, key="release_id"),
                "document": b"{}",
            },
        ),
        lambda _: count("release_passport", document=b"{}") == 1,
    ),
    Attack(
        "delete a passport",
        ["release_passport_append_only"],
        lambda r: delete("release_passport", r.released.id, key="release_id"),
        lambda r: count("release_passport", release_id=r.released.id) == 0,
    ),
    Attack(
        "take a withdrawal back",
        ["release_withdrawal_append_only"],
        lambda r: delete("release_withdrawal", r.released.id, key="release_id"),
        lambda r: count("release_withdrawal", release_id=r.released.id) == 0,
    ),
    Attack(
        "replace a withdrawal by its release",
        ["release_withdrawal_once"],
        lambda r: replace(
            "release_withdrawal",
            key="id",
            **{
                **copied("release_withdrawal", r.released.id, key="release_id"),
                "id": r.id,
            },
        ),
        has("release_withdrawal"),
        vendor="sqlite",
    ),
)


def test_a_release_is_of_proven_approved_bytes(review: Review, subtests: pytest.Subtests) -> None:
    team = review.team
    make.approved_policy(team, kind="template_version")
    review.template = make.open_case(team, kind="template_version")
    make.approve(team, review.template)
    review.rejected = make.open_case(team)
    make.decide(review.rejected, team.brand_reviewer, "reject")
    review.proven = make.open_case(team)
    make.approve(team, review.proven)
    review.voided = make.open_case(team)
    make.approve(team, review.voided)
    services.void_case(actor=team.manager, case_id=review.voided.id, reason="Old.", now=make.NOW)
    review.gone = make.open_case(team)
    review.released = make.released(team, review.gone, review.folder)
    release.withdraw(
        actor=team.manager, release_id=review.released.id, reason="Expired.", now=make.NOW
    )
    review.unsigned = make.open_case(team)
    make.approve(team, review.unsigned)
    ledger.sequence(now=make.NOW)
    review.unproven = make.open_case(team)
    make.approve(team, review.unproven)
    attacks.play(RELEASES, review, subtests)
