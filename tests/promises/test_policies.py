"""Promise 3 for what governs: policies, rules and groups count by their review, in SQL as well."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import GroupMember, Pin
from governance.review.records import ItemSpec, PolicyRecord
from governance.tables import guards
from templates.brands import guards as brand_guards
from templates.brands import services as brands
from tests import databases
from tests.factories import review as make
from tests.factories import templates
from tests.promises import attacks, races
from tests.promises.attacks import (
    Attack,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    replace,
)

pytestmark = pytest.mark.django_db(transaction=True)

THRESHOLDS = {"sharpness": {"threshold": 0.1, "severity": "flag"}}


class Scene:
    """One brand with a policy in force, one under review, a group, rules, and loose ends."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.studio = templates.studio()
        self.team = self.studio.team
        self.older = make.approved_policy(self.team, stages=[make.BRAND_STAGE])
        self.policy = self.propose(make.TWO_STAGES)
        self.policy = services.approve_policy(
            actor=self.team.other_manager,
            policy_id=self.policy.id,
            sha256=self.policy.sha256,
            now=make.NOW,
        )
        self.proposed = self.propose(make.TWO_STAGES)
        self.bare = self._bare(self.team.brand_id, "asset", 9)
        self.elsewhere = make.Team()
        self.lax_first = self._bare(self.elsewhere.brand_id, "scoring_policy", 1)
        insert("review_stage", **self.stage(self.lax_first, id=uuid7(), role="brand_reviewer"))
        self.first_of_assets = self._bare(self.elsewhere.brand_id, "asset", 1)
        insert("review_stage", **self.stage(self.first_of_assets, id=uuid7()))
        self.mislabelled = self._reviewed_as_rules()
        self.group = self._group(self.team)
        self.other_group = self._group(self.elsewhere)
        self.member, self.former = self._memberships()
        self.case = make.open_case(self.team)
        self.closed = make.open_case(self.team)
        make.decide(self.closed, self.team.brand_reviewer, "reject")
        self.pin: UUID = Pin.objects.get(case_id=self.case.id).id
        self.rules = self._rules()
        self.scoring = brands.propose_scoring_policy(
            actor=self.team.manager,
            brand_id=self.team.brand_id,
            advisory=True,
            thresholds=THRESHOLDS,
            now=make.NOW,
        ).id

    def stage(self, policy_id: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of a stage that any manager of the brand could decide."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "policy_id": policy_id,
            "position": 1,
            "key": "own",
            "name": "Own",
            "asks": "role",
            "role": "brand_manager",
            "people": "[]",
            "quorum": 1,
            "escalate_to": "",
            **changes,
        }

    def question(self, policy_id: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of one more question."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "policy_id": policy_id,
            "position": 9,
            "key": "own",
            "question": "Is it mine?",
            "guidance": "",
            "stage_key": "",
            **changes,
        }

    def joins(self, group: UUID, person: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of one more member of a group."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "group_id": group,
            "person_id": person,
            "added_by": self.team.manager.id,
            **changes,
        }

    def pinned(self, case_id: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of one more pin."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "case_id": case_id,
            "name": "profile_id",
            "value": "another",
            **changes,
        }

    def propose(self, stages: Any) -> PolicyRecord:
        """Propose the next policy for images."""
        return services.propose_policy(
            actor=self.team.manager,
            brand_id=self.team.brand_id,
            subject_kind="asset",
            name="Next",
            stages=stages,
            checklist=[ItemSpec("Is the logo whole?")],
            now=make.NOW,
        )

    def _bare(self, brand_id: UUID, kind: str, number: int) -> UUID:
        """Insert a proposal in SQL: it has no stages, and no review was opened for it."""
        made = uuid7()
        facts = {"id": made, "brand_id": brand_id, "subject_kind": kind, "number": number}
        insert("review_policy", **{**copied("review_policy", self.proposed.id), **facts})
        return made

    def _reviewed_as_rules(self) -> UUID:
        """Get a policy approved as if it were a set of rules, where other people decide."""
        made = self._bare(self.team.brand_id, "asset", 10)
        insert("review_stage", **self.stage(made, id=uuid7()))
        about = services.register_subject(
            subject_id=made,
            kind="rule_set",
            sha256=self.proposed.sha256,
            brand_id=self.team.brand_id,
            contributors={self.team.requester.id: "author"},
            now=make.NOW,
        )
        make.decide(make.open_case(self.team, about), self.team.other_manager)
        return made

    def _group(self, team: make.Team) -> UUID:
        group = services.create_group(
            actor=team.manager, brand_id=team.brand_id, name="Legal", now=make.NOW
        )
        return group.id

    def _memberships(self) -> tuple[UUID, UUID]:
        facts = {"actor": self.team.manager, "group_id": self.group, "now": make.NOW}
        for person in (self.team.compliance_reviewer, self.team.auditor):
            services.add_member(**facts, person_id=person.id)
        services.remove_member(**facts, person_id=self.team.auditor.id)
        member = GroupMember.objects.get(removed_at__isnull=True, group_id=self.group)
        return member.id, GroupMember.objects.get(removed_at__isnull=False).id

    def _rules(self) -> UUID:
        return brands.propose_rules(
            actor=self.team.manager, brand_id=self.team.brand_id, rules=[], now=make.NOW
        ).id


def has(table: str, **values: Any) -> Any:
    """Tell whether the scene's row has come into the table, with these values."""
    return lambda s: count(table, id=s.id, **values) == 1


def approved(table: str, row: Any) -> Any:
    """Tell whether a row of the scene counts as approved."""
    return lambda s: count(table, id=row(s)) - _unapproved(table, row(s)) == 1


def _unapproved(table: str, row: UUID) -> int:
    return int(copied(table, row)["approved_by"] is None)


def approve(table: str, row: Any, by: Any) -> Any:
    """Sign a row as approved, in SQL."""
    return lambda s: change(table, row(s), approved_by=by(s), approved_at=make.NOW)


BY_REVIEW = "review_policy_approved_by_review"

POLICIES: tuple[Attack[Scene], ...] = (
    Attack(
        "approve a policy that nobody reviewed",
        [BY_REVIEW],
        approve("review_policy", lambda s: s.proposed.id, lambda s: s.team.auditor.id),
        approved("review_policy", lambda s: s.proposed.id),
    ),
    Attack(
        "approve one's own policy",
        [BY_REVIEW, constraint("review_policy", "policy_approved_by_another")],
        approve("review_policy", lambda s: s.proposed.id, lambda s: s.team.manager.id),
        approved("review_policy", lambda s: s.proposed.id),
    ),
    Attack(
        "approve a policy in the name of who approved the one before",
        [BY_REVIEW],
        approve("review_policy", lambda s: s.proposed.id, lambda s: s.team.other_manager.id),
        approved("review_policy", lambda s: s.proposed.id),
    ),
    Attack(
        "approve a policy in the name of the installation",
        [BY_REVIEW],
        approve("review_policy", lambda s: s.proposed.id, lambda _: SYSTEM.id),
        approved("review_policy", lambda s: s.proposed.id),
    ),
    Attack(
        "install a first policy for images",
        [BY_REVIEW],
        approve("review_policy", lambda s: s.first_of_assets, lambda _: SYSTEM.id),
        approved("review_policy", lambda s: s.first_of_assets),
    ),
    Attack(
        "install a first policy that others than managers decide",
        [BY_REVIEW],
        approve("review_policy", lambda s: s.lax_first, lambda _: SYSTEM.id),
        approved("review_policy", lambda s: s.lax_first),
    ),
    Attack(
        "approve a policy that was reviewed as something else",
        [BY_REVIEW],
        approve("review_policy", lambda s: s.mislabelled, lambda s: s.team.other_manager.id),
        approved("review_policy", lambda s: s.mislabelled),
    ),
    Attack(
        "approve a policy without stages",
        ["review_policy_has_stages", BY_REVIEW],
        approve("review_policy", lambda s: s.bare, lambda s: s.team.auditor.id),
        approved("review_policy", lambda s: s.bare),
    ),
    Attack(
        "insert a policy that is approved already",
        ["review_policy_starts_proposed"],
        lambda s: insert(
            "review_policy", **{**copied("review_policy", s.policy.id), "id": s.id, "number": 99}
        ),
        has("review_policy"),
    ),
    Attack(
        "take an approval of a policy back",
        ["review_policy_approved_once"],
        lambda s: change("review_policy", s.policy.id, approved_by=None, approved_at=None),
        lambda s: _unapproved("review_policy", s.policy.id) == 1,
    ),
    Attack(
        "sign an approval of a policy with another name",
        ["review_policy_approved_once"],
        lambda s: change("review_policy", s.policy.id, approved_by=s.team.auditor.id),
        lambda s: count("review_policy", approved_by=s.team.auditor.id) == 1,
    ),
    Attack(
        "put a proposal in another's name",
        ["review_policy_frozen"],
        lambda s: change("review_policy", s.proposed.id, proposed_by=s.team.auditor.id),
        lambda s: count("review_policy", proposed_by=s.team.auditor.id) == 1,
    ),
    Attack(
        "make the older, laxer policy the latest",
        ["review_policy_frozen"],
        lambda s: change("review_policy", s.older.id, number=98),
        lambda s: count("review_policy", id=s.older.id, number=98) == 1,
    ),
    Attack(
        "stop the clock of a policy",
        ["review_policy_frozen"],
        lambda s: change("review_policy", s.policy.id, calendar='{"timezone": "UTC"}'),
        lambda s: "UTC" in str(copied("review_policy", s.policy.id)["calendar"]),
    ),
    Attack(
        "ask for no look at all",
        ["review_policy_frozen"],
        lambda s: change("review_policy", s.policy.id, min_view_s=999),
        lambda _: count("review_policy", min_view_s=999) == 1,
    ),
    Attack(
        "put another digest on a proposal",
        ["review_policy_frozen"],
        lambda s: change("review_policy", s.proposed.id, sha256="f" * 64),
        lambda _: count("review_policy", sha256="f" * 64) == 1,
    ),
    Attack(
        "delete a proposal",
        ["review_policy_never_deleted"],
        lambda s: delete("review_policy", s.bare),
        lambda s: count("review_policy", id=s.bare) == 0,
    ),
    Attack(
        "replace a policy by its number",
        ["review_policy_once"],
        lambda s: replace(
            "review_policy", key="id", **{**copied("review_policy", s.bare), "id": s.id}
        ),
        has("review_policy"),
        vendor="sqlite",
    ),
)

PARTS: tuple[Attack[Scene], ...] = (
    Attack(
        "add a stage to an approved policy",
        ["review_stage_of_proposal"],
        lambda s: insert("review_stage", **s.stage(s.policy.id, position=3)),
        has("review_stage"),
    ),
    Attack(
        "add a stage while reviewers look at the policy",
        ["review_stage_of_proposal"],
        lambda s: insert("review_stage", **s.stage(s.proposed.id, position=2)),
        has("review_stage"),
    ),
    Attack(
        "give a stage to another role",
        ["review_stage_append_only"],
        lambda s: change("review_stage", s.policy.stages[1].id, role="brand_manager"),
        lambda s: count("review_stage", id=s.policy.stages[1].id, role="brand_manager") == 1,
    ),
    Attack(
        "replace a stage by its id",
        ["review_stage_append_only", "review_stage_once", "review_stage_of_proposal"],
        lambda s: replace(
            "review_stage",
            {**copied("review_stage", s.policy.stages[0].id), "role": "brand_manager"},
            key="id",
        ),
        lambda s: count("review_stage", id=s.policy.stages[0].id, role="brand_manager") == 1,
    ),
    Attack(
        "replace a stage by its key",
        ["review_stage_once", "review_stage_of_proposal"],
        lambda s: replace(
            "review_stage", s.stage(s.proposed.id, key=s.proposed.stages[0].key), key="id"
        ),
        has("review_stage"),
        vendor="sqlite",
    ),
    Attack(
        "delete the compliance stage",
        ["review_stage_append_only"],
        lambda s: delete("review_stage", s.proposed.stages[1].id),
        lambda s: count("review_stage", id=s.proposed.stages[1].id) == 0,
    ),
    Attack(
        "ask a group of another brand",
        ["review_stage_group_of_brand"],
        lambda s: insert(
            "review_stage", **s.stage(s.bare, asks="group", role="", group_id=s.other_group)
        ),
        has("review_stage"),
    ),
    Attack(
        "add a question while reviewers look at the policy",
        ["review_checklistitem_of_proposal"],
        lambda s: insert("review_checklistitem", **s.question(s.proposed.id)),
        has("review_checklistitem"),
    ),
    Attack(
        "soften a question",
        ["review_checklistitem_append_only"],
        lambda s: change("review_checklistitem", s.policy.checklist[0].id, question="Fine?"),
        lambda _: count("review_checklistitem", question="Fine?") == 1,
    ),
    Attack(
        "take a question off the list",
        ["review_checklistitem_append_only"],
        lambda s: delete("review_checklistitem", s.policy.checklist[0].id),
        lambda s: count("review_checklistitem", id=s.policy.checklist[0].id) == 0,
    ),
    Attack(
        "replace a question by its key",
        ["review_checklistitem_once", "review_checklistitem_of_proposal"],
        lambda s: replace(
            "review_checklistitem",
            s.question(s.proposed.id, key=s.proposed.checklist[0].key),
            key="id",
        ),
        has("review_checklistitem"),
        vendor="sqlite",
    ),
)

GROUPS: tuple[Attack[Scene], ...] = (
    Attack(
        "move a group to another brand",
        ["review_group_append_only"],
        lambda s: change("review_group", s.group, brand_id=s.elsewhere.brand_id, name="Ours"),
        lambda _: count("review_group", name="Ours") == 1,
    ),
    Attack(
        "replace a group by its name",
        ["review_group_once"],
        lambda s: replace(
            "review_group", key="id", **{**copied("review_group", s.other_group), "id": s.id}
        ),
        has("review_group"),
        vendor="sqlite",
    ),
    Attack(
        "put oneself into a group",
        [constraint("review_groupmember", "groupmember_added_by_another")],
        lambda s: insert("review_groupmember", **s.joins(s.group, s.team.manager.id)),
        has("review_groupmember"),
    ),
    Attack(
        "be in a group twice",
        ["review_groupmember_once", constraint("review_groupmember", "groupmember_is_in_once")],
        lambda s: insert("review_groupmember", **s.joins(s.group, s.team.compliance_reviewer.id)),
        has("review_groupmember"),
    ),
    Attack(
        "take another's place in a group",
        ["review_groupmember_frozen"],
        lambda s: change("review_groupmember", s.member, person_id=s.team.brand_reviewer.id),
        lambda s: count("review_groupmember", person_id=s.team.brand_reviewer.id) == 1,
    ),
    Attack(
        "come back into a group unseen",
        ["review_groupmember_removed_once"],
        lambda s: change("review_groupmember", s.former, removed_at=None, removed_by=None),
        lambda s: copied("review_groupmember", s.former)["removed_at"] is None,
    ),
    Attack(
        "forget that somebody was in a group",
        ["review_groupmember_never_deleted"],
        lambda s: delete("review_groupmember", s.former),
        lambda s: count("review_groupmember", id=s.former) == 0,
    ),
)

PINS: tuple[Attack[Scene], ...] = (
    Attack(
        "unpin what a case rests on",
        ["review_pin_append_only"],
        lambda s: delete("review_pin", s.pin),
        lambda s: count("review_pin", id=s.pin) == 0,
    ),
    Attack(
        "pin another version",
        ["review_pin_append_only"],
        lambda s: change("review_pin", s.pin, value="another"),
        lambda _: count("review_pin", value="another") == 1,
    ),
    Attack(
        "replace a pin by its name",
        ["review_pin_once"],
        lambda s: replace("review_pin", key="id", **s.pinned(s.case.id, name="template_version")),
        has("review_pin"),
        vendor="sqlite",
    ),
    Attack(
        "pin one version more, so that a closed case is voided with it",
        ["review_pin_of_open_case"],
        lambda s: insert("review_pin", **s.pinned(s.closed.id)),
        has("review_pin"),
    ),
)

RULES: tuple[Attack[Scene], ...] = (
    Attack(
        "approve rules that nobody reviewed",
        ["brands_ruleset_approved_by_review"],
        approve("brands_ruleset", lambda s: s.rules, lambda s: s.team.other_manager.id),
        approved("brands_ruleset", lambda s: s.rules),
    ),
    Attack(
        "approve a scoring policy that nobody reviewed",
        ["brands_scoringpolicy_approved_by_review", "brands_scoringpolicy_with_backtest"],
        approve("brands_scoringpolicy", lambda s: s.scoring, lambda s: s.team.other_manager.id),
        approved("brands_scoringpolicy", lambda s: s.scoring),
    ),
    Attack(
        "approve a scoring policy in the name of the installation",
        ["brands_scoringpolicy_approved_by_review", "brands_scoringpolicy_with_backtest"],
        approve("brands_scoringpolicy", lambda s: s.scoring, lambda _: SYSTEM.id),
        approved("brands_scoringpolicy", lambda s: s.scoring),
    ),
)

TABLES = (
    "review_policy",
    "review_stage",
    "review_checklistitem",
    "review_group",
    "review_groupmember",
    "review_pin",
)


@pytest.fixture
def scene(settings: Any, tmp_path: Path) -> Scene:
    make.use_sealing_key(settings, tmp_path)
    return Scene()


def test_a_policy_counts_by_its_review(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(POLICIES, scene, subtests)


def test_a_policy_stays_as_it_was_shown(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(PARTS, scene, subtests)


def test_nobody_slips_into_a_group(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(GROUPS, scene, subtests)


def test_a_case_keeps_its_pins(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(PINS, scene, subtests)


def test_rules_count_by_their_review(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(RULES, scene, subtests)


def test_every_guard_of_what_governs_is_attacked() -> None:
    rows = (*POLICIES, *PARTS, *GROUPS, *PINS, *RULES)
    attacked = {name for attack in rows for name in attack.refused_by}
    guarding = {
        guard.name
        for guard in guards.manifest()
        if any("RAISE" in piece.create for piece in guard.sqlite)
        and (
            guard.table in TABLES
            or (guard in brand_guards.GUARDS and guard.name.endswith("_by_review"))
        )
    }
    assert guarding - attacked == set()


class TestWhoeverDecides:
    """The approval itself puts a version in force, whichever way it came about."""

    def test_an_ordinary_decision_puts_rules_in_force(self, scene: Scene) -> None:
        case = selectors.find_case_for_subject(scene.rules)
        assert case is not None
        make.decide(case, scene.team.other_manager)
        row = copied("brands_ruleset", scene.rules)
        assert UUID(str(row["approved_by"])) == scene.team.other_manager.id

    def test_without_the_trigger_it_would_not(self, scene: Scene) -> None:
        """The negative control of the test above."""
        case = selectors.find_case_for_subject(scene.rules)
        assert case is not None
        with databases.as_owner(), transaction.atomic():
            attacks.without(["brands_ruleset_approved_with_case"])
            make.decide(case, scene.team.other_manager)
            assert _unapproved("brands_ruleset", scene.rules) == 1
            transaction.set_rollback(True)

    def test_a_manager_of_all_roles_does_not_approve_what_is_theirs(self, scene: Scene) -> None:
        everything = Actor(
            scene.team.manager.id,
            roles={scene.team.brand_id: frozenset(Role)},
            is_platform_admin=True,
            authenticated_at=make.NOW,
        )
        with pytest.raises(NotPermitted):
            services.approve_policy(
                actor=everything,
                policy_id=scene.proposed.id,
                sha256=scene.proposed.sha256,
                now=make.NOW,
            )


@pytest.mark.postgresql
class TestRaces:
    """SQLite has a single writer, so only PostgreSQL can show them."""

    def test_two_proposals_in_the_same_second_follow_each_other(self, scene: Scene) -> None:
        made: list[PolicyRecord] = []

        def proposes() -> None:
            made.append(scene.propose(make.TWO_STAGES))

        assert races.run(proposes, proposes) == ["first committed", "second committed"]
        assert [policy.number for policy in made] == [11, 12]

    @pytest.mark.parametrize("approve_first", [True, False])
    def test_a_case_opens_under_the_policy_that_counts_then(
        self, scene: Scene, *, approve_first: bool
    ) -> None:
        about = make.subject(scene.team)

        def approves() -> None:
            services.approve_policy(
                actor=scene.team.other_manager,
                policy_id=scene.proposed.id,
                sha256=scene.proposed.sha256,
                now=make.NOW,
            )

        def opens() -> None:
            make.open_case(scene.team, about)

        order = (approves, opens) if approve_first else (opens, approves)
        assert races.run(*order) == ["first committed", "second committed"]
        case = selectors.find_case_for_subject(about.id)
        assert case is not None
        counted = scene.proposed if approve_first else scene.policy
        assert case.policy_id == counted.id
