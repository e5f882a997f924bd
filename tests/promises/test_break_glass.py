"""Promise 1, the short way: raw SQL against every guard of break-glass, annotations and threads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.review import services
from governance.review.records import BreakGlassRecord, CaseRecord
from tests.factories import break_glass as emergency
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

TABLE = "review_breakglass"
LIVE_ONCE = constraint(TABLE, "breakglass_is_live_once")
OTHER_BYTES = sha256_hex(b"other bytes")


@dataclass
class Glass:
    """One brand with a break-glass in each state, for an attacker to choose from."""

    team: make.Team = field(default_factory=make.Team)
    third: Actor = field(init=False)
    fresh: CaseRecord = field(init=False)
    rejected: CaseRecord = field(init=False)
    opened: BreakGlassRecord = field(init=False)
    running: BreakGlassRecord = field(init=False)
    over: BreakGlassRecord = field(init=False)
    over_and_closed: BreakGlassRecord = field(init=False)
    stopped: BreakGlassRecord = field(init=False)
    used: BreakGlassRecord = field(init=False)
    judged: BreakGlassRecord = field(init=False)
    id: UUID = field(default_factory=uuid7)
    # Far enough ahead for any countdown, by the clock that the database has as well.
    later: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=1))

    def __post_init__(self) -> None:
        team = self.team
        make.approved_policy(team)
        self.third = make.person(team.brand_id, Role.COMPLIANCE_REVIEWER)
        self.fresh = self.seen_by_all()
        self.rejected = self.seen_by_all()
        make.decide(self.rejected, team.brand_reviewer, "reject")
        self.opened = emergency.open_it(self.seen_by_all(), team.manager)
        self.running = emergency.confirmed(team, self.seen_by_all())
        self.over = emergency.confirmed(team, self.seen_by_all())
        emergency.let_countdown_pass(self.over)
        closed = self.seen_by_all()
        self.over_and_closed = emergency.confirmed(team, closed)
        emergency.let_countdown_pass(self.over_and_closed)
        make.decide(closed, team.brand_reviewer, "reject")
        self.stopped = self._stopped()
        self.used = emergency.used(team, self.seen_by_all())
        self.judged = self._judged()

    def seen_by_all(self) -> CaseRecord:
        """Return a fresh case whose bytes everybody has had on their screen."""
        case = make.open_case(self.team)
        for person in (self.team.manager, self.team.other_manager, self.team.compliance_reviewer):
            make.deliver(case, person)
        return case

    def part_in(self, about: CaseRecord | BreakGlassRecord, person: Actor) -> dict[str, Any]:
        """Return the row of a contribution."""
        return {
            "id": uuid7(),
            "created_at": make.NOW,
            "subject_id": about.subject.id,
            "actor_id": person.id,
            "part": "editor",
        }

    def row(self, case: CaseRecord | None = None, **changes: Any) -> dict[str, Any]:
        """Return the row of a break-glass that a manager opens, by default for the fresh case."""
        case = case or self.fresh
        return {
            **copied(TABLE, self.opened.id),
            "id": self.id,
            "case_id": case.id,
            "subject_id": case.subject.id,
            "sha256": case.subject.sha256,
            **changes,
        }

    def confirmation(self, **changes: Any) -> dict[str, Any]:
        """Return what a confirmation writes."""
        return {
            "state": "confirmed",
            "confirmed_by": self.team.compliance_reviewer.id,
            "confirmed_at": make.NOW,
            "effective_at": self.later,
            **changes,
        }

    def usage(self, **changes: Any) -> dict[str, Any]:
        """Return what a use writes."""
        return {"state": "used", "used_at": make.NOW, "judge_until": self.later, **changes}

    def judgement(self, **changes: Any) -> dict[str, Any]:
        """Return what a judgement writes."""
        return {
            "state": "upheld",
            "judged_by": self.third.id,
            "judged_at": make.NOW,
            "judgement_reason": copied(TABLE, self.judged.id)["judgement_reason"],
            **changes,
        }

    def approval(self, found: BreakGlassRecord, **changes: Any) -> dict[str, Any]:
        """Return the row of an approval by a break-glass, with a ledger entry that fits."""
        case = copied("review_case", found.case_id)
        entry_id = ledger.append(
            actor=SYSTEM,
            event=Event.REVIEW_CASE_APPROVED,
            subject=found.subject,
            now=make.NOW,
            facts={"case_id": str(found.case_id)},
        )
        return {
            "id": self.id,
            "created_at": make.NOW,
            "case_id": found.case_id,
            "subject_id": found.subject.id,
            "sha256": found.subject.sha256,
            "entry_id": entry_id,
            "policy_id": case["policy_id"],
            "break_glass_id": found.id,
            **changes,
        }

    def _stopped(self) -> BreakGlassRecord:
        found = emergency.confirmed(self.team, self.seen_by_all())
        return services.stop_break_glass(
            actor=self.team.brand_reviewer,
            break_glass_id=found.id,
            roster_of=emergency.nobody,
            now=make.NOW,
        )

    def _judged(self) -> BreakGlassRecord:
        found = emergency.used(self.team, self.seen_by_all())
        return services.judge_break_glass(
            actor=self.third,
            break_glass_id=found.id,
            verdict="uphold",
            reason="It was needed.",
            roster_of=emergency.nobody,
            on_fault=lambda _faulted: None,
            now=make.NOW,
        )


@pytest.fixture
def glass(settings: Any, tmp_path: Path) -> Iterator[Glass]:
    make.use_sealing_key(settings, tmp_path)
    return Glass()


def added(s: Glass) -> bool:
    return count(TABLE, id=s.id) == 1


def changed(which: str, **values: Any) -> Any:
    """Return an attack that changes one break-glass of the scene."""
    return lambda s: change(TABLE, getattr(s, which).id, **values)


def stands(which: str, state: str) -> Any:
    """Return what tells that a break-glass got into that state."""
    return lambda s: count(TABLE, id=getattr(s, which).id, state=state) == 1


OPENING = [
    Attack(
        "open it confirmed, with a countdown that is over",
        ["review_breakglass_starts_opened"],
        lambda s: insert(TABLE, **s.row(**s.confirmation(effective_at=make.NOW))),
        added,
    ),
    Attack(
        "open it used",
        ["review_breakglass_starts_opened"],
        lambda s: insert(TABLE, **s.row(**{**s.confirmation(), **s.usage()})),
        added,
    ),
    Attack(
        "open it for a case that was turned down",
        ["review_breakglass_opened_on_open_case"],
        lambda s: insert(TABLE, **s.row(s.rejected)),
        added,
    ),
    Attack(
        "open it for other bytes",
        [
            "review_breakglass_opened_on_open_case",
            "review_breakglass_opened_unseen",
            bound(TABLE, "subject_id", "sha256", "brand_id"),
        ],
        lambda s: insert(TABLE, **s.row(sha256=OTHER_BYTES)),
        added,
    ),
    Attack(
        "open it for another brand",
        [bound(TABLE, "subject_id", "sha256", "brand_id")],
        lambda s: insert(TABLE, **s.row(brand_id=uuid7())),
        added,
    ),
    Attack(
        "open it for one's own image",
        ["review_breakglass_opened_by_contributor"],
        lambda s: (
            insert("review_contribution", **s.part_in(s.fresh, s.team.manager)),
            insert(TABLE, **s.row()),
        ),
        added,
    ),
    Attack(
        "open it without having seen the bytes",
        ["review_breakglass_opened_unseen"],
        lambda s: insert(TABLE, **s.row(opened_by=s.third.id)),
        added,
    ),
    Attack(
        "open a second one beside a live one",
        [LIVE_ONCE],
        lambda s: insert(TABLE, **{**copied(TABLE, s.opened.id), "id": s.id}),
        added,
    ),
]

CONFIRMING = [
    Attack(
        "confirm one's own",
        [constraint(TABLE, "breakglass_takes_two")],
        lambda s: change(TABLE, s.opened.id, **s.confirmation(confirmed_by=s.team.manager.id)),
        stands("opened", "confirmed"),
    ),
    Attack(
        "confirm as nobody",
        [
            "review_breakglass_confirmed_by_one",
            "review_breakglass_confirmed_unseen",
            constraint(TABLE, "breakglass_takes_two"),
        ],
        lambda s: change(TABLE, s.opened.id, **s.confirmation(confirmed_by=None)),
        stands("opened", "confirmed"),
    ),
    Attack(
        "confirm for one's own image",
        ["review_breakglass_confirmed_by_contributor"],
        lambda s: (
            insert("review_contribution", **s.part_in(s.opened, s.team.compliance_reviewer)),
            change(TABLE, s.opened.id, **s.confirmation()),
        ),
        stands("opened", "confirmed"),
    ),
    Attack(
        "confirm without having seen the bytes",
        ["review_breakglass_confirmed_unseen"],
        lambda s: change(TABLE, s.opened.id, **s.confirmation(confirmed_by=s.third.id)),
        stands("opened", "confirmed"),
    ),
    Attack(
        "confirm with a countdown that is over",
        ["review_breakglass_whole_countdown"],
        lambda s: change(TABLE, s.opened.id, **s.confirmation(effective_at=make.NOW)),
        stands("opened", "confirmed"),
    ),
    Attack(
        "confirm with a countdown of a minute less",
        ["review_breakglass_whole_countdown"],
        lambda s: change(
            TABLE,
            s.opened.id,
            **s.confirmation(effective_at=datetime.now(UTC) + timedelta(minutes=14)),
        ),
        stands("opened", "confirmed"),
    ),
    Attack(
        "put the second person in before confirming",
        ["review_breakglass_confirmed_once"],
        lambda s: change(TABLE, s.opened.id, **s.confirmation(state="opened")),
        lambda s: count(TABLE, id=s.opened.id, confirmed_by=s.team.compliance_reviewer.id) == 1,
    ),
    Attack(
        "back-date the countdown afterwards",
        ["review_breakglass_confirmed_once"],
        changed("running", effective_at=make.NOW),
        lambda s: count(TABLE, id=s.running.id, effective_at=make.NOW) == 1,
    ),
    Attack(
        "exchange the second person afterwards",
        ["review_breakglass_confirmed_once"],
        lambda s: change(TABLE, s.running.id, confirmed_by=s.team.other_manager.id),
        lambda s: count(TABLE, id=s.running.id, confirmed_by=s.team.other_manager.id) == 1,
    ),
    Attack(
        "confirm again, after it was stopped",
        ["review_breakglass_moves"],
        changed("stopped", state="confirmed"),
        stands("stopped", "confirmed"),
    ),
]

USING = [
    Attack(
        "use it before the countdown is over",
        ["review_breakglass_used_in_time"],
        lambda s: change(TABLE, s.running.id, **s.usage()),
        stands("running", "used"),
    ),
    Attack(
        "use it without saying until when it is judged",
        ["review_breakglass_used_in_time"],
        lambda s: change(TABLE, s.over.id, **s.usage(judge_until=None)),
        stands("over", "used"),
    ),
    Attack(
        "use what nobody confirmed",
        ["review_breakglass_moves"],
        lambda s: change(TABLE, s.opened.id, **s.usage(used_at=None, judge_until=None)),
        stands("opened", "used"),
    ),
    Attack(
        "use what was stopped",
        ["review_breakglass_moves"],
        lambda s: change(TABLE, s.stopped.id, state="used"),
        stands("stopped", "used"),
    ),
    Attack(
        "use it against an objection",
        ["review_breakglass_used_on_open_case"],
        lambda s: change(TABLE, s.over_and_closed.id, **s.usage()),
        stands("over_and_closed", "used"),
    ),
    Attack(
        "put off the judgement",
        ["review_breakglass_used_once"],
        lambda s: change(TABLE, s.used.id, judge_until=s.later + timedelta(days=900)),
        lambda s: count(TABLE, id=s.used.id, judge_until=s.later + timedelta(days=900)) == 1,
    ),
    Attack(
        "stop what was used",
        ["review_breakglass_moves"],
        changed("used", state="stopped"),
        stands("used", "stopped"),
    ),
    Attack(
        "stop it as nobody",
        ["review_breakglass_stopped_by_one"],
        changed("running", state="stopped"),
        stands("running", "stopped"),
    ),
    Attack(
        "say that somebody else stopped it",
        ["review_breakglass_stopped_once"],
        lambda s: change(TABLE, s.stopped.id, stopped_by=s.team.auditor.id),
        lambda s: count(TABLE, id=s.stopped.id, stopped_by=s.team.auditor.id) == 1,
    ),
]

JUDGING = [
    Attack(
        "judge as the one who opened it",
        [constraint(TABLE, "breakglass_is_judged_by_a_third")],
        lambda s: change(TABLE, s.used.id, **s.judgement(judged_by=s.used.opened_by)),
        stands("used", "upheld"),
    ),
    Attack(
        "judge as the one who confirmed it",
        [constraint(TABLE, "breakglass_is_judged_by_a_third")],
        lambda s: change(TABLE, s.used.id, **s.judgement(judged_by=s.used.confirmed_by)),
        stands("used", "upheld"),
    ),
    Attack(
        "judge one's own image",
        ["review_breakglass_judged_by_contributor"],
        lambda s: change(TABLE, s.used.id, **s.judgement(judged_by=s.team.requester.id)),
        stands("used", "upheld"),
    ),
    Attack(
        "judge as nobody",
        ["review_breakglass_judged_by_one"],
        changed("used", state="upheld"),
        stands("used", "upheld"),
    ),
    Attack(
        "turn a judgement round",
        ["review_breakglass_moves"],
        changed("judged", state="faulted"),
        stands("judged", "faulted"),
    ),
    Attack(
        "judge in another's name",
        ["review_breakglass_judged_once"],
        lambda s: change(TABLE, s.judged.id, judged_by=s.team.auditor.id),
        lambda s: count(TABLE, id=s.judged.id, judged_by=s.team.auditor.id) == 1,
    ),
]

FACTS = [
    Attack(
        "edit the reason",
        ["review_breakglass_frozen"],
        lambda s: change(TABLE, s.used.id, reason=copied(TABLE, s.opened.id)["reason"]),
        lambda s: copied(TABLE, s.used.id)["reason"] == copied(TABLE, s.opened.id)["reason"],
    ),
    Attack(
        "give it to another case",
        ["review_breakglass_frozen"],
        lambda s: change(TABLE, s.over.id, case_id=s.fresh.id),
        lambda s: count(TABLE, id=s.over.id, case_id=s.fresh.id) == 1,
    ),
    Attack(
        "say that somebody else opened it",
        ["review_breakglass_frozen"],
        lambda s: change(TABLE, s.used.id, opened_by=s.team.auditor.id),
        lambda s: count(TABLE, id=s.used.id, opened_by=s.team.auditor.id) == 1,
    ),
    Attack(
        "remove it",
        ["review_breakglass_never_deleted"],
        lambda s: delete(TABLE, s.stopped.id),
        lambda s: count(TABLE, id=s.stopped.id) == 0,
    ),
    Attack(
        "put another in its place",
        ["review_breakglass_never_deleted"],
        lambda s: replace(
            TABLE, key="id", **{**s.row(), "id": s.stopped.id, "opened_by": s.team.manager.id.hex}
        ),
        stands("stopped", "opened"),
        vendor="sqlite",
    ),
    Attack(
        "have a part in it after breaking the glass",
        ["review_contribution_after_break_glass"],
        lambda s: insert(
            "review_contribution", **{**s.part_in(s.used, s.team.manager), "id": s.id}
        ),
        lambda s: count("review_contribution", id=s.id) == 1,
    ),
    Attack(
        "have a part in it after judging",
        ["review_contribution_after_break_glass"],
        lambda s: insert("review_contribution", **{**s.part_in(s.judged, s.third), "id": s.id}),
        lambda s: count("review_contribution", id=s.id) == 1,
    ),
]

APPROVING = [
    Attack(
        f"approve by one that is {state}",
        ["review_approval_break_glass"],
        lambda s, which=which: insert("review_approval", **s.approval(getattr(s, which))),
        lambda s: count("review_approval", id=s.id) == 1,
    )
    for state, which in (
        ("opened", "opened"),
        ("still counting down", "running"),
        ("confirmed and not used", "over"),
        ("stopped", "stopped"),
    )
] + [
    Attack(
        "approve by one of another case",
        ["review_approval_break_glass"],
        lambda s: insert("review_approval", **s.approval(s.over, break_glass_id=s.used.id)),
        lambda s: count("review_approval", id=s.id) == 1,
    ),
    Attack(
        "approve by one that there is not",
        ["review_approval_break_glass"],
        lambda s: insert("review_approval", **s.approval(s.over, break_glass_id=uuid7())),
        lambda s: count("review_approval", id=s.id) == 1,
    ),
    Attack(
        "approve without a quorum and without breaking the glass",
        ["review_approval_quorum"],
        lambda s: insert("review_approval", **s.approval(s.over, break_glass_id=None)),
        lambda s: count("review_approval", id=s.id) == 1,
    ),
]


@pytest.mark.parametrize(
    "rows",
    [OPENING, CONFIRMING, USING, JUDGING, FACTS, APPROVING],
    ids=["opening", "confirming", "using", "judging", "facts", "approving"],
)
def test_the_short_way_holds(
    rows: list[Attack[Glass]], glass: Glass, subtests: pytest.Subtests
) -> None:
    attacks.play(rows, glass, subtests)
