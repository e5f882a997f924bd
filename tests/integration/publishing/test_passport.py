"""What a passport tells of the review: whom each stage asked, who answered what, who confirmed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from imprimatur.publishing import services

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.roles import Role
from governance.passport import document
from governance.release import selectors as releases
from governance.review import services as review
from governance.review.records import CaseRecord, ItemSpec, StageSpec
from tests.factories import review as make
from tests.factories.publishing import NOW, Press, score


def group_of(press: Press, person: Actor) -> Any:
    """Make a group with one member."""
    group = review.create_group(
        actor=press.team.manager, brand_id=press.brand_id, name="Legal", now=NOW
    )
    review.add_member(
        actor=press.team.manager,
        group_id=group.id,
        person_id=person.id,
        roster={Role.BRAND_REVIEWER: frozenset({person.id})},
        now=NOW,
    )
    return group.id


def case_under(press: Press, stages: Sequence[StageSpec], **content: Any) -> CaseRecord:
    """Make an image that is reviewed under these stages."""
    make.approved_policy(press.team, stages=stages, **content)
    return press.case_of(press.image())


def told_of(press: Press, case: CaseRecord) -> Mapping[str, Any]:
    """Release what was approved and return its passport."""
    press.prove()
    release = services.release_case(case_id=case.id, now=NOW)
    assert release is not None
    return document.read(releases.get_passport(SYSTEM, release.id))


class TestStages:
    def test_of_named_people_and_a_group_are_told_without_names(self, press: Press) -> None:
        team = press.team
        named, other = team.brand_reviewer, team.compliance_reviewer
        case = case_under(
            press,
            [
                StageSpec("Named", people=[named.id, other.id]),
                StageSpec("Legal", group_id=group_of(press, team.other_brand_reviewer)),
            ],
        )
        make.decide(case, named)
        make.decide(case, team.other_brand_reviewer)
        told = told_of(press, case)
        assert [
            (s["position"], s["key"], s["asks"], s["role"], s["people"], s["quorum"])
            for s in told["approval"]["stages"]
        ] == [(1, "named", "people", None, 2, 1), (2, "legal", "group", None, None, 1)]
        assert [(d["reviewer_id"], d["stage"], d["role"]) for d in told["decisions"]] == [
            (str(named.id), "Named", None),
            (str(team.other_brand_reviewer.id), "Legal", None),
        ]
        assert told["approval"]["conditions"] == []

    def test_of_a_role_name_it(self, press: Press) -> None:
        case = press.case_of(press.image())
        make.approve(press.team, case)
        told = told_of(press, case)
        assert [s["role"] for s in told["approval"]["stages"]] == [
            "brand_reviewer",
            "compliance_reviewer",
        ]
        assert [d["role"] for d in told["decisions"]] == ["brand_reviewer", "compliance_reviewer"]


class TestDecisions:
    def test_tell_their_checklist_and_the_seconds_on_the_screen(self, press: Press) -> None:
        items = [ItemSpec("Is the logo whole?", key="logo"), ItemSpec("Is it hers?", key="tagline")]
        case = case_under(press, [make.BRAND_STAGE], checklist=items)
        said = {"logo": "yes", "tagline": "not_applicable"}
        make.decide(case, press.team.brand_reviewer, checklist=said)
        (decision,) = told_of(press, case)["decisions"]
        assert decision["checklist"] == said
        assert decision["seconds_on_screen"] == 0


class TestConditions:
    def _approved(self, press: Press) -> CaseRecord:
        case = case_under(press, [make.BRAND_STAGE])
        make.decide(
            case, press.team.brand_reviewer, "approve_with_changes", "Name the photographer."
        )
        return make.current(case)

    @pytest.mark.parametrize("is_met", [True, False])
    def test_tell_who_confirmed_them_and_no_word_of_the_text(
        self, press: Press, *, is_met: bool
    ) -> None:
        case = self._approved(press)
        (decision,) = case.stages[0].decisions
        if is_met:
            review.confirm_condition(
                actor=press.team.manager, decision_id=decision.id, note="Credited.", now=NOW
            )
        told = told_of(press, case)
        assert told["approval"]["conditions"] == [
            {
                "decision_id": str(decision.id),
                "confirmed_by": str(press.team.manager.id) if is_met else None,
            }
        ]
        assert "photographer" not in str(told)
        assert "Credited" not in str(told)


class TestScores:
    def test_without_a_value_are_told_as_such(self, press: Press) -> None:
        reason = "Not asked: the value of 'safety' lies outside of the band."
        image = press.image(
            score(scorer="concepts", value=None, reason=reason),
            score(scorer="noise", value=None, threshold=None, verdict="hold", reason="It is down."),
        )
        case = press.case_of(image)
        make.approve(press.team, case)
        told = told_of(press, case)
        assert [(s["scorer"], s["value"], s["verdict"]) for s in told["scores"]] == [
            ("concepts", None, "pass"),
            ("noise", None, "hold"),
            ("sharpness", "0.5", "pass"),
        ]


class TestSteps:
    def test_are_told_with_the_digest_of_every_output(self, press: Press) -> None:
        image = press.made(press.job(), generated=b"what the model made")
        case = press.case_of(image)
        make.approve(press.team, case)
        told = told_of(press, make.current(case))
        assert [(step["number"], step["name"]) for step in told["asset"]["steps"]] == [
            (0, "generate"),
            (1, "upscale.lanczos/1"),
        ]
        assert [step["sha256"] for step in told["asset"]["steps"]] == [
            sha256_hex(b"what the model made"),
            told["release"]["reviewed_sha256"],
        ]

    def test_are_none_for_what_the_model_made(self, press: Press) -> None:
        assert told_of(press, press.approved())["asset"]["steps"] == []
