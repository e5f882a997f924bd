"""Promise 8: every refusal has a record with its reason, shown to the requester; none is silent.

And what follows from one: nobody judges their own, nobody judges twice, nothing that was refused
goes on without a recorded override by somebody who had no part in it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from generation.jobs.models import JobItem
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.refusals import errors, selectors, services
from governance.refusals import guards as refusal_guards
from governance.refusals.models import Override, Refusal
from governance.refusals.records import AppealRecord, RefusalRecord
from governance.review import selectors as review_selectors
from governance.sealing import services as sealing
from governance.tables import guards
from tests import databases
from tests.factories import jobs as make
from tests.factories import orders, review
from tests.factories import refusals as make_refusals
from tests.promises.attacks import (
    Attack,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    play,
    replace,
)

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
COLUMNS = (
    "id, created_at, brand_id, stage, category, scorer, score, threshold, reason, detail, "
    "requester_id, subject_kind, subject_id, overridable_by"
)
COPY = (
    f"INTO refusals_refusal ({COLUMNS}) SELECT "
    + COLUMNS.replace("reason", "'Nothing happened.'")
    + " FROM refusals_refusal WHERE stage = 'prompt'"
)
ATTACKS = {
    "change the reason": "UPDATE refusals_refusal SET reason = 'Nothing happened.'",
    "loosen who may override": "UPDATE refusals_refusal SET overridable_by = 'marketer'",
    "hide it from the requester": f"UPDATE refusals_refusal SET requester_id = '{uuid7().hex}'",
    "move it to another brand": f"UPDATE refusals_refusal SET brand_id = '{uuid7().hex}'",
    "forget the text": "UPDATE refusals_refusal SET subject_kind = 'nothing'",
    "delete it": "DELETE FROM refusals_refusal",
    "upsert it": f"INSERT {COPY} ON CONFLICT (id) DO UPDATE SET reason = 'Nothing happened.'",
}
VENDOR_ATTACKS = {
    "sqlite": {
        "replace it": f"REPLACE {COPY}",
        "replace it by a conflict clause": f"INSERT OR REPLACE {COPY}",
    },
    "postgresql": {"empty the table": "TRUNCATE refusals_refusal CASCADE"},
}


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def refuse() -> RefusalRecord:
    requester_id = uuid7()
    return services.record(
        actor=Actor(requester_id),
        brand_id=uuid7(),
        stage="prompt",
        category="blocked_term",
        reason="The brand does not show alcohol.",
        requester_id=requester_id,
        subject=SubjectRef("order", uuid7()),
        now=NOW,
    )


def attack(sql: str) -> None:
    """Show that `sql` is refused and changes nothing; then, without the guard, that it succeeds."""
    refuse()
    before = list(Refusal.objects.values())
    with pytest.raises(DatabaseError), transaction.atomic():
        execute(sql)
    assert list(Refusal.objects.values()) == before
    try:
        with databases.as_owner():
            guards.drop(connection, iter(refusal_guards.GUARDS))
            execute(sql)
        assert list(Refusal.objects.values()) != before
    finally:
        databases.reset()
        with databases.as_owner():
            guards.install(connection)
    assert guards.missing(connection) == []


class TestAttacks:
    @pytest.mark.parametrize("name", ATTACKS)
    def test_are_refused_and_only_the_guard_refuses_them(self, name: str) -> None:
        attack(ATTACKS[name])

    @pytest.mark.parametrize(
        ("vendor", "name"), [(v, name) for v, named in VENDOR_ATTACKS.items() for name in named]
    )
    def test_in_one_databases_own_words_are_refused(self, vendor: str, name: str) -> None:
        if connection.vendor != vendor:
            pytest.skip(f"only {vendor} has these words")
        attack(VENDOR_ATTACKS[vendor][name])


class TestRequester:
    def test_sees_every_refusal_of_theirs_with_its_reason(self) -> None:
        refusal = refuse()
        roles = {refusal.brand_id: frozenset({Role.MARKETER})}
        (seen,) = selectors.list_refusals(Actor(refusal.requester_id, roles=roles))
        assert seen == refusal
        assert seen.reason in seen.explanation


class Scene:
    """Refusals in every situation: not appealed, under appeal, upheld, overridden, of images."""

    def __init__(self) -> None:
        self.shop = make.shop()
        self.team = self.shop.team
        self.id, self.order = uuid7(), uuid7()
        self.free = make_refusals.at("prompt", self.team)
        self.gate = make_refusals.at("gate", self.team)
        self.appealed, self.appeal = self._appealed()
        self.upheld, self.lost = self._appealed()
        make_refusals.decide(self.lost, self.team.compliance_reviewer, "uphold")
        self.passed = make_refusals.at("prompt", self.team)
        self.allowed = make_refusals.override(self.passed, self.team.compliance_reviewer)
        self.used = make_refusals.override(
            make_refusals.at("prompt", self.team), self.team.compliance_reviewer
        )
        services.use_pass(
            actor=self.team.requester, override_id=self.used.id, order_id=self.order, now=NOW
        )
        self.image, item = make_refusals.of_image(self.shop)
        self.item = item.id
        self.other_image, _item = make_refusals.of_image(self.shop)
        self.for_image = make_refusals.override(self.other_image, self.team.compliance_reviewer)
        (self.author,) = review_selectors.contributors(self.image.subject_id) - {
            self.shop.marketer.id
        }
        self.judged = self._refused_by(self.team.compliance_reviewer)
        self.reason = sealing.seal(
            person_id=self.team.compliance_reviewer.id,
            text="Because.",
            purpose=selectors.REASON_PURPOSE,
        )

    @property
    def decider(self) -> UUID:
        """Return somebody who had no part in anything."""
        return self.team.other_brand_reviewer.id

    def decided(self, state: str, decided_by: UUID) -> dict[str, Any]:
        """Return the columns of a decided appeal."""
        return {
            "state": state,
            "decided_by": decided_by,
            "reason": self.reason,
            "closed_at": NOW,
        }

    def appeal_against(self, refusal: RefusalRecord, **changes: Any) -> dict[str, Any]:
        """Return an appeal's row against a refusal, as its requester's."""
        return {
            **copied("refusals_appeal", self.appeal.id),
            "id": self.id,
            "refusal_id": refusal.id,
            "appellant_id": refusal.requester_id,
        } | changes

    def override_of(
        self, refusal: RefusalRecord, by: UUID | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Return an override's row, with the ledger entry that it has to name."""
        decider = by or self.decider
        return {
            "id": self.id,
            "created_at": NOW,
            "refusal_id": refusal.id,
            "appeal_id": None,
            "decided_by": decider,
            "reason": self.reason,
            "valid_until": NOW + timedelta(days=7) if refusal.stage == "prompt" else None,
            "entry_id": self.entry(refusal, decider),
        } | changes

    def entry(self, refusal: RefusalRecord, by: UUID) -> UUID:
        """Record an override in the ledger that nobody made."""
        return ledger.append(
            actor=Actor(by),
            event="refusals.override.recorded",
            subject=SubjectRef("refusal", refusal.id, refusal.brand_id),
            now=NOW,
        )

    def use_of(self, override_id: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of a pass's use."""
        return {
            "id": self.id,
            "created_at": NOW,
            "override_id": override_id,
            "order_id": uuid7(),
        } | changes

    def _appealed(self) -> tuple[RefusalRecord, AppealRecord]:
        refusal = make_refusals.at("prompt", self.team)
        return refusal, make_refusals.appeal(refusal, self.team.requester)

    def _refused_by(self, person: Actor) -> RefusalRecord:
        return services.record(
            actor=person,
            brand_id=self.team.brand_id,
            stage="image",
            category="held",
            reason="A person refused it.",
            requester_id=self.team.requester.id,
            subject=SubjectRef("asset", uuid7(), self.team.brand_id),
            now=NOW,
        )


def decide_appeal(scene: Scene, state: str, by: UUID) -> None:
    change("refusals_appeal", scene.appeal.id, **scene.decided(state, by))


def is_decided(scene: Scene, state: str, by: UUID) -> bool:
    return count("refusals_appeal", id=scene.appeal.id, state=state, decided_by=by) == 1


def added(table: str, row: Any) -> dict[str, Any]:
    """Return an attack's act and question: a forged row, under the scene's id, is there."""
    return {
        "act": lambda s: insert(table, **row(s)),
        "worked": lambda s: count(table, id=s.id) == 1,
    }


APPEALS: tuple[Attack[Scene], ...] = (
    Attack(
        "appeal for somebody else",
        ["refusals_appeal_by_requester"],
        **added("refusals_appeal", lambda s: s.appeal_against(s.free, appellant_id=s.decider)),
    ),
    Attack(
        "appeal in another brand",
        ["refusals_appeal_by_requester"],
        **added("refusals_appeal", lambda s: s.appeal_against(s.free, brand_id=s.id)),
    ),
    Attack(
        "appeal the gate",
        ["refusals_appeal_of_a_judgement"],
        **added("refusals_appeal", lambda s: s.appeal_against(s.gate)),
    ),
    Attack(
        "appeal again after the decision",
        ["refusals_appeal_only_one", constraint("refusals_appeal", "appeal_is_the_only_one")],
        **added("refusals_appeal", lambda s: s.appeal_against(s.upheld)),
    ),
    Attack(
        "replace an open appeal through its refusal",
        ["refusals_appeal_only_one"],
        act=lambda s: replace("refusals_appeal", key="id", **s.appeal_against(s.appealed)),
        worked=lambda s: count("refusals_appeal", id=s.id) == 1,
        vendor="sqlite",
    ),
    Attack(
        "appeal what is overridden",
        ["refusals_appeal_before_override"],
        **added("refusals_appeal", lambda s: s.appeal_against(s.passed)),
    ),
    Attack(
        "appeal and win at once",
        ["refusals_appeal_starts_open"],
        **added(
            "refusals_appeal",
            lambda s: s.appeal_against(s.free, **s.decided("overturned", s.decider)),
        ),
    ),
    Attack(
        "decide one's own appeal",
        [
            "refusals_appeal_by_contributor",
            constraint("refusals_appeal", "appeal_is_decided_by_another"),
        ],
        act=lambda s: decide_appeal(s, "upheld", s.team.requester.id),
        worked=lambda s: is_decided(s, "upheld", s.team.requester.id),
    ),
    Attack(
        "overturn without an override",
        ["refusals_appeal_overturned_by_override"],
        act=lambda s: decide_appeal(s, "overturned", s.decider),
        worked=lambda s: is_decided(s, "overturned", s.decider),
    ),
    Attack(
        "overturn by somebody else's override",
        ["refusals_appeal_overturned_by_override"],
        act=lambda s: (
            insert("refusals_override", **s.override_of(s.appealed, appeal_id=s.appeal.id)),
            decide_appeal(s, "overturned", s.team.auditor.id),
        ),
        worked=lambda s: is_decided(s, "overturned", s.team.auditor.id),
    ),
    Attack(
        "uphold what one's override lifts",
        ["refusals_appeal_overturned_by_override"],
        act=lambda s: (
            insert("refusals_override", **s.override_of(s.appealed, appeal_id=s.appeal.id)),
            decide_appeal(s, "upheld", s.decider),
        ),
        worked=lambda s: is_decided(s, "upheld", s.decider),
    ),
    Attack(
        "decide a second time",
        ["refusals_appeal_closed_for_good"],
        act=lambda s: change("refusals_appeal", s.lost.id, decided_by=s.decider),
        worked=lambda s: count("refusals_appeal", id=s.lost.id, decided_by=s.decider) == 1,
    ),
    Attack(
        "forge the reason afterwards",
        ["refusals_appeal_closed_for_good"],
        act=lambda s: change("refusals_appeal", s.lost.id, reason=s.reason),
        worked=lambda s: count("refusals_appeal", id=s.lost.id, reason=s.reason) == 1,
    ),
    Attack(
        "take a lost appeal back",
        ["refusals_appeal_moves", "refusals_appeal_closed_for_good"],
        act=lambda s: change(
            "refusals_appeal", s.lost.id, state="withdrawn", decided_by=None, reason=None
        ),
        worked=lambda s: count("refusals_appeal", id=s.lost.id, state="withdrawn") == 1,
    ),
    Attack(
        "close an appeal by nobody",
        [constraint("refusals_appeal", "appeal_is_closed_as_its_state_says")],
        act=lambda s: change("refusals_appeal", s.appeal.id, state="upheld", closed_at=NOW),
        worked=lambda s: count("refusals_appeal", id=s.appeal.id, state="upheld") == 1,
    ),
    Attack(
        "put words into the requester's mouth",
        ["refusals_appeal_frozen"],
        act=lambda s: change("refusals_appeal", s.appeal.id, argument=s.reason),
        worked=lambda s: count("refusals_appeal", id=s.appeal.id, argument=s.reason) == 1,
    ),
    Attack(
        "lose an appeal",
        ["refusals_appeal_never_deleted"],
        act=lambda s: delete("refusals_appeal", s.appeal.id),
        worked=lambda s: count("refusals_appeal", id=s.appeal.id) == 0,
    ),
)
OVERRIDES: tuple[Attack[Scene], ...] = (
    Attack(
        "override one's own refusal",
        ["refusals_override_by_contributor"],
        **added("refusals_override", lambda s: s.override_of(s.free, s.team.requester.id)),
    ),
    Attack(
        "override as the author of the template",
        ["refusals_override_by_contributor"],
        **added("refusals_override", lambda s: s.override_of(s.image, s.author)),
    ),
    Attack(
        "override what one refused oneself",
        ["refusals_override_by_contributor"],
        **added(
            "refusals_override", lambda s: s.override_of(s.judged, s.team.compliance_reviewer.id)
        ),
    ),
    Attack(
        "override the gate",
        ["refusals_override_of_a_judgement"],
        **added("refusals_override", lambda s: s.override_of(s.gate)),
    ),
    Attack(
        "let a prompt pass for ever",
        ["refusals_override_of_a_judgement"],
        **added("refusals_override", lambda s: s.override_of(s.free, valid_until=None)),
    ),
    Attack(
        "override past an open appeal",
        ["refusals_override_heeds_the_appeal"],
        **added("refusals_override", lambda s: s.override_of(s.appealed)),
    ),
    Attack(
        "override what an appeal upheld",
        ["refusals_override_heeds_the_appeal"],
        **added("refusals_override", lambda s: s.override_of(s.upheld)),
    ),
    Attack(
        "override in the name of a lost appeal",
        ["refusals_override_heeds_the_appeal"],
        **added("refusals_override", lambda s: s.override_of(s.upheld, appeal_id=s.lost.id)),
    ),
    Attack(
        "override in the name of another appeal",
        ["refusals_override_heeds_the_appeal"],
        **added("refusals_override", lambda s: s.override_of(s.free, appeal_id=s.appeal.id)),
    ),
    Attack(
        "override without a ledger entry",
        ["refusals_override_recorded"],
        **added("refusals_override", lambda s: s.override_of(s.free, entry_id=s.id)),
    ),
    Attack(
        "override with somebody else's ledger entry",
        ["refusals_override_recorded"],
        **added(
            "refusals_override",
            lambda s: s.override_of(s.free, entry_id=s.entry(s.free, s.team.auditor.id)),
        ),
    ),
    Attack(
        "replace an override through its refusal",
        ["refusals_override_once"],
        act=lambda s: replace("refusals_override", key="id", **s.override_of(s.passed)),
        worked=lambda s: count("refusals_override", id=s.id) == 1,
        vendor="sqlite",
    ),
    Attack(
        "prolong a pass",
        ["refusals_override_append_only"],
        act=lambda s: change("refusals_override", s.allowed.id, valid_until=LATER),
        worked=lambda s: Override.objects.get(pk=s.allowed.id).valid_until == LATER,
    ),
    Attack(
        "forget an override",
        ["refusals_override_append_only"],
        act=lambda s: delete("refusals_override", s.allowed.id),
        worked=lambda s: count("refusals_override", id=s.allowed.id) == 0,
    ),
)
PASSES: tuple[Attack[Scene], ...] = (
    Attack(
        "pass with the override of an image",
        ["refusals_passuse_of_a_standing_pass"],
        **added("refusals_passuse", lambda s: s.use_of(s.for_image.id)),
    ),
    Attack(
        "pass after the time",
        ["refusals_passuse_of_a_standing_pass"],
        **added("refusals_passuse", lambda s: s.use_of(s.allowed.id, created_at=LATER)),
    ),
    Attack(
        "pass a second time in the first one's place",
        ["refusals_passuse_once"],
        act=lambda s: replace("refusals_passuse", key="id", **s.use_of(s.used.id)),
        worked=lambda s: count("refusals_passuse", id=s.id) == 1,
        vendor="sqlite",
    ),
    Attack(
        "pass twice with one order",
        [
            "refusals_passuse_of_one_order",
            constraint("refusals_passuse", "pass_is_used_by_one_order"),
        ],
        **added("refusals_passuse", lambda s: s.use_of(s.allowed.id, order_id=s.order)),
    ),
    Attack(
        "forget that a pass was used",
        ["refusals_passuse_append_only"],
        act=lambda s: delete("refusals_passuse", s.used.id, key="override_id"),
        worked=lambda s: count("refusals_passuse", override_id=s.used.id) == 0,
    ),
)
ITEMS: tuple[Attack[Scene], ...] = (
    Attack(
        "take a refused image into review",
        ["jobs_item_refused_until_overridden"],
        act=lambda s: change("jobs_jobitem", s.item, state="in_review"),
        worked=lambda s: count("jobs_jobitem", id=s.item, state="in_review") == 1,
    ),
    Attack(
        "borrow another image's override",
        ["jobs_item_refused_until_overridden", "jobs_item_keeps_its_refusal"],
        act=lambda s: change(
            "jobs_jobitem", s.item, state="in_review", refusal_id=s.other_image.id
        ),
        worked=lambda s: count("jobs_jobitem", id=s.item, state="in_review") == 1,
    ),
    Attack(
        "forget why an image was refused",
        ["jobs_item_keeps_its_refusal"],
        act=lambda s: change("jobs_jobitem", s.item, refusal_id=None),
        worked=lambda s: JobItem.objects.get(pk=s.item).refusal_id is None,
    ),
)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def scene(settings: Any, tmp_path: Path) -> Iterator[Scene]:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    yield Scene()
    assert guards.missing(connection) == []


@pytest.mark.parametrize(
    "rows", [APPEALS, OVERRIDES, PASSES, ITEMS], ids=["appeals", "overrides", "passes", "items"]
)
def test_what_was_refused_goes_on_only_by_a_recorded_override(
    rows: tuple[Attack[Scene], ...], scene: Scene, subtests: pytest.Subtests
) -> None:
    play(rows, scene, subtests)


def test_every_guard_of_refusals_is_attacked() -> None:
    attacked = {name for row in (*APPEALS, *OVERRIDES, *PASSES) for name in row.refused_by} | {
        "refusals_refusal_append_only"
    }
    assert {guard.name for guard in refusal_guards.GUARDS} <= attacked


# Who may decide, by the database alone: nobody with a part in it, whichever the part.
@pytest.mark.parametrize("part", ["requester", "template_author", "editor", "whoever refused"])
def test_no_part_in_an_image_leaves_a_say_in_its_refusal(part: str, scene: Scene) -> None:
    person = scene.decider
    refusal = scene.image
    if part == "whoever refused":
        refusal = scene.judged
        person = scene.team.compliance_reviewer.id
    elif part == "requester":
        person = scene.shop.marketer.id
    else:
        make_refusals.contribute(refusal, person, part)
    for act in (
        lambda: insert("refusals_override", **scene.override_of(refusal, person)),
        lambda: make_refusals.override(
            refusal, Actor(person, roles={refusal.brand_id: frozenset(Role)})
        ),
    ):
        with pytest.raises((DatabaseError, errors.HadAPart)), transaction.atomic():
            act()
    assert selectors.find_override(SYSTEM, refusal.id) is None


# Each place that says no for a rule, up to the gate's (tests/integration/publishing has those).
SAYS_NO = {
    "a blocked word": (
        lambda desk: desk.place(with_variables=make_refusals.REFUSED),
        "prompt",
        "hazard_sign",
    ),
    "a quota that is used up": (lambda desk: desk.place(variants=6), "quota", "user"),
}


@pytest.mark.parametrize(("act", "stage", "category"), SAYS_NO.values(), ids=SAYS_NO.keys())
def test_an_order_that_is_refused_leaves_exactly_one_record(
    settings: Any, tmp_path: Path, act: Any, stage: str, category: str
) -> None:
    review.use_sealing_key(settings, tmp_path)
    desk = orders.desk()
    with pytest.raises(DomainError) as caught:
        act(desk)
    (seen,) = selectors.list_refusals(desk.marketer)
    assert (seen.stage, seen.category) == (stage, category)
    assert caught.value.detail.startswith(seen.reason)
    assert str(seen.id) == caught.value.facts["refusal_id"]
    assert seen.explanation.startswith("This was refused")


def test_an_image_that_is_refused_leaves_exactly_one_record(settings: Any, tmp_path: Path) -> None:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    shop = make.shop()
    refusal, item = make_refusals.of_image(shop)
    assert selectors.list_refusals(shop.marketer) == (refusal,)
    assert (refusal.stage, refusal.category, refusal.score) == ("image", "sharpness", 0.7)
    assert shop.item(item.id).refusal_id == refusal.id
