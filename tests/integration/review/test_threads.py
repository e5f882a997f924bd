"""Annotations and their threads: where, by whom, on which bytes, and who is told."""

import json
import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.notices import selectors as notices
from governance.policy.permits import NotPermitted
from governance.review import selectors, services
from governance.review.models import Annotation, Contribution, Reply, Resolution
from governance.review.records import AnnotationRecord, CaseRecord
from governance.review.services._threads import _check_place
from tests.factories import review as make

BOX = {"mark": "box", "x": 0.25, "y": 0.5, "width": 0.5, "height": 0.25}


@pytest.fixture
def case(team: make.Team) -> CaseRecord:
    return make.open_case(team)


def annotate(case: CaseRecord, actor: Actor, **changes: Any) -> AnnotationRecord:
    asked: dict[str, Any] = {
        "case_id": case.id,
        "sha256": case.subject.sha256,
        "mark": "pin",
        "x": 0.5,
        "y": 0.25,
        "text": "The logo is too small.",
        "now": make.NOW,
    }
    return services.annotate(actor=actor, **(asked | changes))


class TestAnnotate:
    def test_keeps_a_pin_with_its_sentence(self, team: make.Team, case: CaseRecord) -> None:
        made = annotate(case, team.brand_reviewer)
        assert selectors.list_annotations(team.requester, case.id) == (made,)
        assert (made.mark, made.x, made.y, made.width, made.height) == (
            "pin",
            0.5,
            0.25,
            None,
            None,
        )
        assert (made.text, made.author_id) == ("The logo is too small.", team.brand_reviewer.id)
        assert (made.subject_id, made.sha256) == (case.subject.id, case.subject.sha256)

    def test_keeps_a_box(self, team: make.Team, case: CaseRecord) -> None:
        made = annotate(case, team.requester, **BOX)
        assert (made.mark, made.x, made.y, made.width, made.height) == ("box", 0.25, 0.5, 0.5, 0.25)

    def test_keeps_its_text_sealed(self, team: make.Team, case: CaseRecord) -> None:
        annotate(case, team.brand_reviewer)
        entry = Entry.objects.order_by("-id").first()
        assert entry is not None
        assert entry.event == "review.annotation.added"
        assert json.loads(bytes(entry.body))["subject"]["sha256"] == case.subject.sha256
        for stored in (bytes(Annotation.objects.get().text), bytes(entry.body)):
            assert b"logo" not in stored

    def test_is_no_part_in_the_image(self, team: make.Team, case: CaseRecord) -> None:
        before = set(Contribution.objects.values_list("id", flat=True))
        annotate(case, team.brand_reviewer)
        make.decide(case, team.brand_reviewer)
        make.decide(case, team.compliance_reviewer)
        assert make.current(case).state == "approved"
        assert set(Contribution.objects.values_list("id", flat=True)) == before

    def test_is_for_those_who_have_to_do_with_the_case(
        self, team: make.Team, case: CaseRecord
    ) -> None:
        other = make.Team()
        for actor, error in (
            (team.auditor, NotPermitted),
            (SYSTEM, NotPermitted),
            (make.person(team.brand_id, Role.MARKETER), NotFound),
            (make.person(team.brand_id, is_platform_admin=True), NotFound),
            (other.brand_reviewer, NotFound),
            (Actor(uuid7()), NotFound),
        ):
            with pytest.raises(error):
                annotate(case, actor)
        assert not Annotation.objects.exists()

    def test_refuses_other_bytes(self, team: make.Team, case: CaseRecord) -> None:
        with pytest.raises(services.BytesChanged) as refused:
            annotate(case, team.brand_reviewer, sha256=sha256_hex(b"stale"))
        assert refused.value.pointer == "/sha256"
        assert not Annotation.objects.exists()

    @pytest.mark.parametrize("end", ["reject", "request_changes", "void", "approve"])
    def test_locks_what_is_over(self, team: make.Team, case: CaseRecord, end: str) -> None:
        made = annotate(case, team.brand_reviewer)
        if end == "void":
            services.void_case(
                actor=team.manager, case_id=case.id, reason="Replaced.", now=make.NOW
            )
        elif end == "approve":
            make.approve(team, case)
        else:
            make.decide(case, team.brand_reviewer, end)
        with pytest.raises(services.CaseClosed):
            annotate(case, team.requester)
        with pytest.raises(services.CaseClosed):
            reply(made, team.requester)
        with pytest.raises(services.CaseClosed):
            services.resolve(actor=team.requester, annotation_id=made.id, now=make.NOW)
        assert selectors.list_annotations(team.requester, case.id) == (made,)

    @pytest.mark.parametrize("text", ["", "  \n", "x" * 4001])
    def test_refuses_nothing_and_too_much(
        self, team: make.Team, case: CaseRecord, text: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            annotate(case, team.brand_reviewer, text=text)
        assert refused.value.pointer == "/text"

    def test_ends_at_a_limit(
        self, team: make.Team, case: CaseRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(services._threads, "MAX_ANNOTATIONS", 1)
        annotate(case, team.brand_reviewer)
        with pytest.raises(services.ThreadFull):
            annotate(case, team.brand_reviewer)


class TestPlace:
    @pytest.mark.parametrize(
        ("changes", "pointer", "rule"),
        [
            ({"x": -0.001}, "/x", "range"),
            ({"x": 1.001}, "/x", "range"),
            ({"x": math.nan}, "/x", "range"),
            ({"y": math.inf}, "/y", "range"),
            ({"y": -math.inf}, "/y", "range"),
            ({"mark": "circle"}, "/mark", "enum"),
            ({"width": 0.1}, "/width", "absent"),
            ({"height": 0.1}, "/height", "absent"),
            ({**BOX, "width": None}, "/width", "required"),
            ({**BOX, "height": None}, "/height", "required"),
            ({**BOX, "width": 0.0}, "/width", "range"),
            ({**BOX, "height": -0.1}, "/height", "range"),
            ({**BOX, "width": 0.76}, "/width", "range"),
            ({**BOX, "height": 0.51}, "/height", "range"),
            ({**BOX, "width": math.nan}, "/width", "range"),
            ({**BOX, "height": math.inf}, "/height", "range"),
        ],
    )
    def test_outside_is_refused_by_its_name(
        self, team: make.Team, case: CaseRecord, changes: dict[str, Any], pointer: str, rule: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            annotate(case, team.brand_reviewer, **changes)
        assert (refused.value.pointer, refused.value.facts["rule"]) == (pointer, rule)
        assert not Annotation.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"x": 0.0, "y": 1.0},
            {**BOX, "x": 0.0, "width": 1.0},
            {**BOX, "x": 0.9, "width": 0.1},
            {**BOX, "x": 0.1, "width": 0.9, "y": 0.3, "height": 0.7},
        ],
    )
    def test_on_the_edge_is_inside(
        self, team: make.Team, case: CaseRecord, changes: dict[str, Any]
    ) -> None:
        made = annotate(case, team.brand_reviewer, **changes)
        assert {name: getattr(made, name) for name in changes} == changes

    @pytest.mark.parametrize(
        "changes",
        [
            {"x": 1.5},
            {"y": -0.5},
            {"mark": "circle"},
            {"width": 0.5},
            {"mark": "box"},
            {"mark": "box", "width": 0.1, "height": None},
            {"mark": "box", "width": 0.6, "height": 0.1},
            {"mark": "box", "width": 0.0, "height": 0.1},
            {"x": math.nan},
            {"mark": "box", "width": math.nan, "height": 0.1},
        ],
    )
    def test_outside_is_refused_by_the_database(
        self, team: make.Team, case: CaseRecord, changes: dict[str, Any]
    ) -> None:
        made = Annotation.objects.get(id=annotate(case, team.brand_reviewer).id)
        for name, value in {"id": uuid7(), **changes}.items():
            setattr(made, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            made.save(force_insert=True)


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1)


@given(
    mark=st.sampled_from(["pin", "box", "circle"]),
    x=numbers,
    y=numbers,
    width=st.none() | numbers,
    height=st.none() | numbers,
)
def test_lets_through_what_lies_inside_and_nothing_else(
    mark: str, x: float, y: float, width: float | None, height: float | None
) -> None:
    def lies_inside() -> bool:
        if mark == "pin":
            return 0 <= x <= 1 and 0 <= y <= 1 and width is None and height is None
        if mark != "box" or width is None or height is None:
            return False
        return x >= 0 and y >= 0 and width > 0 and height > 0 and x + width <= 1 and y + height <= 1

    try:
        _check_place(mark, x, y, width, height)
    except InvalidInput:
        assert not lies_inside()
    else:
        assert lies_inside()


class TestReply:
    def test_goes_on_in_the_thread_in_order(self, team: make.Team, case: CaseRecord) -> None:
        made = annotate(case, team.brand_reviewer)
        reply(made, team.requester, "Bigger now?")
        thread = reply(made, team.compliance_reviewer, "Much better.")
        assert [(one.author_id, one.text) for one in thread.replies] == [
            (team.requester.id, "Bigger now?"),
            (team.compliance_reviewer.id, "Much better."),
        ]
        assert selectors.list_annotations(team.auditor, case.id) == (thread,)

    def test_tells_the_author_and_nobody_twice(self, team: make.Team, case: CaseRecord) -> None:
        made = annotate(case, team.brand_reviewer)
        reply(made, team.brand_reviewer, "I mean the left one.")
        assert _told(team.brand_reviewer) == []
        reply(made, team.requester)
        assert _told(team.brand_reviewer) == ["review.replied"]
        reply(made, team.requester, mentions=[team.brand_reviewer.id], roster_of=_roster(team))
        assert _told(team.brand_reviewer) == ["review.mentioned", "review.replied"]

    def test_is_refused_to_those_who_see_nothing(self, team: make.Team, case: CaseRecord) -> None:
        made = annotate(case, team.brand_reviewer)
        with pytest.raises(NotFound):
            reply(made, make.Team().brand_reviewer)
        with pytest.raises(NotPermitted):
            reply(made, team.auditor)
        with pytest.raises(NotFound):
            services.reply(actor=team.requester, annotation_id=uuid7(), text="?", now=make.NOW)
        assert not Reply.objects.exists()


class TestMention:
    def test_tells_whoever_can_see_the_case(self, team: make.Team, case: CaseRecord) -> None:
        mentioned = [team.auditor.id, team.requester.id]
        made = annotate(case, team.brand_reviewer, mentions=mentioned, roster_of=_roster(team))
        assert set(made.mentions) == set(mentioned)
        for person in (team.auditor, team.requester):
            (notice,) = notices.list_notices(person)
            assert (notice.kind, notice.case_id) == ("review.mentioned", case.id)
            assert notice.subject_id == case.subject.id

    def test_of_anybody_else_is_refused(self, team: make.Team, case: CaseRecord) -> None:
        marketer = make.person(team.brand_id, Role.MARKETER)
        roster = {
            **_roster(team)(team.brand_id),
            Role.MARKETER: frozenset({marketer.id, team.requester.id}),
        }
        for person_id in (marketer.id, make.Team().manager.id, uuid7()):
            with pytest.raises(InvalidInput) as refused:
                annotate(
                    case,
                    team.brand_reviewer,
                    mentions=[person_id],
                    roster_of=lambda _brand_id: roster,
                )
            assert (refused.value.pointer, refused.value.facts["rule"]) == ("/mentions", "visible")
        assert not Annotation.objects.exists()

    def test_of_a_crowd_is_refused(self, team: make.Team, case: CaseRecord) -> None:
        with pytest.raises(InvalidInput) as refused:
            annotate(case, team.brand_reviewer, mentions=[uuid7() for _ in range(21)])
        assert refused.value.facts["rule"] == "max_items"


class TestResolve:
    def test_is_for_author_requester_and_reviewers(self, team: make.Team, case: CaseRecord) -> None:
        for author, resolver in (
            (team.requester, team.requester),
            (team.brand_reviewer, team.requester),
            (team.brand_reviewer, team.compliance_reviewer),
            (team.brand_reviewer, team.brand_reviewer),
        ):
            made = annotate(case, author)
            done = services.resolve(actor=resolver, annotation_id=made.id, now=make.NOW)
            assert (done.resolved_by, done.resolved_at) == (resolver.id, make.NOW)
        with pytest.raises(NotPermitted):
            services.resolve(actor=team.auditor, annotation_id=made.id, now=make.NOW)

    def test_happens_once(self, team: make.Team, case: CaseRecord) -> None:
        made = annotate(case, team.brand_reviewer)
        services.resolve(actor=team.requester, annotation_id=made.id, now=make.NOW)
        with pytest.raises(services.AlreadyResolved):
            services.resolve(actor=team.brand_reviewer, annotation_id=made.id, now=make.NOW)
        assert Resolution.objects.count() == 1

    def test_is_in_the_ledger(self, team: make.Team, case: CaseRecord) -> None:
        made = annotate(case, team.brand_reviewer)
        reply(made, team.requester)
        services.resolve(actor=team.requester, annotation_id=made.id, now=make.NOW)
        assert list(Entry.objects.order_by("-id").values_list("event", flat=True)[:3]) == [
            "review.annotation.resolved",
            "review.annotation.replied",
            "review.annotation.added",
        ]


class TestLineage:
    def test_shows_what_came_before_and_after(self, team: make.Team) -> None:
        first = make.open_case(team, _version(team, None))
        made = annotate(first, team.brand_reviewer)
        annotate(first, team.brand_reviewer)
        services.resolve(actor=team.requester, annotation_id=made.id, now=make.NOW)
        make.decide(first, team.brand_reviewer, "request_changes")
        second = make.open_case(team, _version(team, first.subject.id))
        third = make.open_case(team, _version(team, second.subject.id))
        make.open_case(team)
        for asked in (first, second, third):
            found = selectors.lineage(team.requester, asked.subject.id)
            assert [version.case_id for version in found] == [first.id, second.id, third.id]
        assert [version.parent_id for version in found] == [
            None,
            first.subject.id,
            second.subject.id,
        ]
        assert [version.case_state for version in found] == ["changes_requested", "open", "open"]
        assert (found[0].open_annotations, found[0].resolved_annotations) == (1, 1)
        assert (found[2].open_annotations, found[2].resolved_annotations) == (0, 0)

    def test_keeps_to_what_the_actor_may_see(self, team: make.Team) -> None:
        case = make.open_case(team)
        stranger = make.person(team.brand_id, Role.MARKETER)
        for actor in (stranger, make.Team().auditor):
            with pytest.raises(NotFound):
                selectors.lineage(actor, case.subject.id)

    def test_follows_a_long_line_only_so_far(
        self, team: make.Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors._threads, "MAX_VERSIONS", 3)
        parent = None
        for _ in range(5):
            last = make.open_case(team, _version(team, parent))
            parent = last.subject.id
        found = selectors.lineage(team.requester, last.subject.id)
        assert len(found) == 3
        assert found[-1].case_id == last.id


def reply(
    made: AnnotationRecord, actor: Actor, text: str = "Which one?", **more: Any
) -> AnnotationRecord:
    return services.reply(actor=actor, annotation_id=made.id, text=text, now=make.NOW, **more)


def _version(team: make.Team, parent_id: UUID | None) -> Any:
    subject_id = uuid7()
    return services.register_subject(
        subject_id=subject_id,
        kind="asset",
        sha256=sha256_hex(subject_id.bytes),
        brand_id=team.brand_id,
        contributors={team.requester.id: "requester"},
        parent_id=parent_id,
        now=make.NOW,
    )


def _roster(team: make.Team) -> Callable[[UUID], dict[Role, frozenset[UUID]]]:
    people = (team.requester, team.brand_reviewer, team.compliance_reviewer, team.auditor)
    return lambda brand_id: {
        role: frozenset(p.id for p in people if p.holds(role, brand_id)) for role in Role
    }


def _told(person: Actor) -> list[str]:
    return [notice.kind for notice in notices.list_notices(person)]
