"""The page on which a person decides: the subject, who is asked, what was said, and why not."""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord
from generation.jobs import selectors as jobs
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.review import audiences, outcomes
from governance.review import selectors as review
from governance.review.records import CaseRecord, CaseStage, GivenDecision
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.web.forms.decision import ANSWERS
from imprimatur.web.screens import (
    _shared,
    assigning,
    backtests,
    emergencies,
    findings,
    replays,
    scoring,
    steps,
    threads,
)
from templates.brands import screening
from templates.brands import selectors as brands
from templates.prompts import selectors as prompts

_ANSWERS = dict(ANSWERS)


def case_page(actor: Actor, case_id: UUID, now: datetime) -> dict[str, Any]:
    """Return one case, its subject, who said what, and why this person may not decide, if so.

    Raises: NotFound.
    """
    case = review.get_case(actor, case_id)
    names = accounts.display_names(_people(case))
    mine = review.stages_for(actor, case)
    hindrance = _hindrance(actor, case, mine, names)
    shown: dict[str, Any] = {
        "id": case.id,
        "title": case.title,
        "brand": _shared.brand_name(_shared.brands_by_id(actor), case.brand_id),
        "state": case.state,
        "risk": case.risk,
        "market": case.market,
        "opened_at": case.opened_at,
        "subject_id": case.subject.id,
        "sha256": case.subject.sha256,
        "positions": _positions(actor, case, names, now),
        "void_reason": case.void_reason,
        **_subject(actor, case, names[case.requested_by]),
    }
    keys = {stage.key for stage in mine}
    return {
        "case": shown,
        "questions": {
            item.key: item.question for item in case.checklist if item.stage_key in {"", *keys}
        },
        "guidance": {item.key: item.guidance for item in case.checklist},
        "stages": {stage.key: stage.name for stage in mine},
        "stage_title": (
            _("Your decision: %(stage)s") % {"stage": mine[0].name}
            if len(mine) == 1 and not hindrance
            else _("Decision")
        ),
        "hindrance": hindrance,
        "threads": threads.on_page(actor, case),
        "may_assign": assigning.may_assign(actor, case),
        "emergency": emergencies.on_page(actor, case),
        "backtest": backtests.on_page(actor, case),
        "replay": replays.on_page(actor, case),
    }


def _people(case: CaseRecord) -> set[UUID]:
    """Return everybody whose name stands on the page."""
    people = {case.requested_by}
    for stage in case.stages:
        people |= {claim.person_id for claim in stage.claims}
        people |= {decision.reviewer_id for decision in stage.decisions}
        people |= {d.confirmed_by for d in stage.decisions if d.confirmed_by is not None}
        people |= {p for p in map(audiences.person_in, stage.asked) if p is not None}
    return people


def _subject(actor: Actor, case: CaseRecord, requester: str) -> dict[str, Any]:
    if case.subject.kind == "asset":
        asset = assets.get_asset(actor, case.subject.id)
        return {**_asset_subject(actor, asset, requester), "sha256": asset.sha256}
    if case.subject.kind == "template_version":
        return _template_subject(actor, case, requester)
    return _governing_subject(actor, case, requester)


def _asset_subject(actor: Actor, asset: AssetRecord, requester: str) -> dict[str, Any]:
    job = jobs.get_job(actor, asset.job_id)
    item = next(item for item in job.items if item.id == asset.item_id)
    origin = _shared.origin_of(actor, job, item, requester)
    return {
        "asset": _shared.shown_asset(
            asset,
            is_calibrated=origin["is_calibrated"],
            twins=findings.twins_of(actor, [asset]),
        ),
        "steps": steps.lineage(asset.id),
        "made_from": _shared.made_from(item.id),
        "prompt": origin["prompt"],
        "origin": origin["facts"],
    }


def _template_subject(actor: Actor, case: CaseRecord, requester: str) -> dict[str, Any]:
    version = prompts.find_by_subject(actor, case.subject.id)
    if version is None:
        raise NotFound(_("The template under review is hidden from you."))
    content = version.content
    parts = [
        (_("Prompt, locked but for its placeholders"), content["prompt"]),
        (_("Kept out"), content["negative"] or "–"),
        (_("Variables"), _pretty(content["schema"]["properties"])),
        (
            _("Sizes"),
            ", ".join(f"{size['width']} × {size['height']}" for size in content["sizes"]),
        ),
        (_("Parameters"), _pretty(content["parameters"])),
        *([(_("Steps after it is made"), _pretty(content["steps"]))] if "steps" in content else []),
        (_("Models"), ", ".join(content["profiles"])),
        (
            _("Pictures it may be made from"),
            _pretty(content["pictures"]) if "pictures" in content else "–",
        ),
        (_("Starter values"), _pretty(content["starter"])),
        (_("Notes"), content.get("notes", "") or "–"),
    ]
    return {
        "content_title": _("The template under review"),
        "content": [{"label": label, "text": text} for label, text in parts],
        "origin": [
            {
                "label": _("Template"),
                "text": _("%(name)s, version %(number)s")
                % {"name": version.name, "number": version.number},
            },
            {"label": _("Submitted by"), "text": requester},
        ],
        "sha256": version.sha256,
    }


def _governing_subject(actor: Actor, case: CaseRecord, requester: str) -> dict[str, Any]:
    """Return a review policy, rules or scoring under review, whole, as its digest covers it."""
    titles = {
        "review_policy": _("The review policy under review"),
        "rule_set": _("The rules under review"),
        "scoring_policy": _("The scoring policy under review"),
    }
    content = _governing_content(actor, case)
    more: dict[str, Any] = {}
    if case.subject.kind == "scoring_policy":
        more = {"policy_id": case.subject.id, "changes": scoring.changes_of(actor, case.subject.id)}
    return {
        **more,
        "content_title": titles[case.subject.kind],
        "content": [{"label": _label(key), "text": _text(each)} for key, each in content.items()],
        "origin": [{"label": _("Submitted by"), "text": requester}],
    }


def _governing_content(actor: Actor, case: CaseRecord) -> dict[str, Any]:
    if case.subject.kind == "review_policy":
        return review.policy_document(review.get_policy(actor, case.subject.id))
    if case.subject.kind == "rule_set":
        rules = brands.get_rules(actor, case.subject.id)
        return {"number": rules.number, "rules": screening.document_of(rules.rules)}
    policy = brands.read_scoring_policy(actor, case.subject.id)
    return {"number": policy.number, **policy.document}


def _label(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _pretty(value)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _positions(
    actor: Actor, case: CaseRecord, names: dict[UUID, str], now: datetime
) -> list[list[dict[str, Any]]]:
    """Return the stages, those that are decided side by side together."""
    may_confirm = permits.may(
        actor,
        Permission.REVIEW_CONDITION_CONFIRM,
        review.asked_in(
            case.brand_id, review.contributors(case.subject.id) | {case.requested_by}, ()
        ),
    )
    return [
        [_stage(actor, stage, case, names, now, may_confirm=may_confirm) for stage in stages]
        for _position, stages in groupby(case.stages, key=lambda stage: stage.position)
    ]


def _stage(
    actor: Actor,
    stage: CaseStage,
    case: CaseRecord,
    names: dict[UUID, str],
    now: datetime,
    *,
    may_confirm: bool,
) -> dict[str, Any]:
    is_broken = any(not outcomes.counts(decision.verdict) for decision in stage.decisions)
    return {
        "name": stage.name,
        "needs": ngettext("%(done)s of %(n)s approval", "%(done)s of %(n)s approvals", stage.quorum)
        % {"done": stage.approvals, "n": stage.quorum},
        "asked": [_asked(actor, audience, names) for audience in stage.asked]
        or ([words.role(stage.role)] if stage.role else []),
        "is_now": stage.is_open,
        "is_broken": is_broken,
        "is_done": not is_broken and stage.approvals >= stage.quorum,
        "due_at": stage.due_at,
        "is_overdue": stage.due_at is not None and stage.due_at <= now,
        "is_escalated": stage.escalations > 0,
        "claims": [
            {"name": names[claim.person_id], "until": claim.until}
            for claim in stage.claims
            if claim.person_id != actor.id
        ],
        "decisions": [
            _decision(decision, case, names, may_confirm=may_confirm)
            for decision in stage.decisions
        ],
    }


def _decision(
    decision: GivenDecision, case: CaseRecord, names: dict[UUID, str], *, may_confirm: bool
) -> dict[str, Any]:
    questions = {item.key: item.question for item in case.checklist}
    waits = (
        decision.verdict == "approve_with_changes"
        and case.state == "approved"
        and decision.confirmed_by is None
    )
    return {
        "id": decision.id,
        "verdict": decision.verdict,
        "reviewer": names[decision.reviewer_id],
        "reason": decision.reason,
        "at": decision.created_at,
        "seen_s": decision.seen_s,
        "answers": [
            {"question": questions[each.key], "answer": str(_ANSWERS[each.answer])}
            for each in decision.answers
        ],
        "confirmed_by": None if decision.confirmed_by is None else names[decision.confirmed_by],
        "waits": waits,
        "may_confirm": waits and may_confirm,
    }


def _asked(actor: Actor, audience: str, names: dict[UUID, str]) -> str:
    role, group = audiences.role_in(audience), audiences.group_in(audience)
    if role is not None:
        return words.role(role)
    if group is not None:
        return review.get_group(actor, group).name
    person = audiences.person_in(audience)
    return names[person] if person is not None else audience


def _hindrance(
    actor: Actor, case: CaseRecord, mine: Sequence[CaseStage], names: dict[UUID, str]
) -> dict[str, str] | None:
    """Return why this person cannot decide, in words; None if they can."""
    if case.stage is None:
        return _closed(case)
    if actor.id == case.requested_by or actor.id in review.contributors(case.subject.id):
        return {
            "tone": "",
            "icon": "lock",
            "title": _("You had a part in this"),
            "text": _(
                "Whoever ordered or wrote something never decides about it. "
                "Others do; the stages below show where it stands."
            ),
        }
    if any(d.reviewer_id == actor.id for stage in case.stages for d in stage.decisions):
        return {
            "tone": "good",
            "icon": "check",
            "title": _("You have decided"),
            "text": _("One person decides once. The next decision is somebody else's."),
        }
    if not mine:
        return {
            "tone": "",
            "icon": "clock",
            "title": _("It waits for somebody else"),
            "text": _("Open now: %(stages)s. The stages below show who is asked.")
            % {"stages": ", ".join(f"“{stage.name}”" for stage in case.open_stages)},
        }
    return _looked_at(actor, mine, names)


def _looked_at(
    actor: Actor, mine: Sequence[CaseStage], names: dict[UUID, str]
) -> dict[str, str] | None:
    """Return that others look at it, where they leave no place in any stage that asks."""
    taken = []
    for stage in mine:
        others = [claim for claim in stage.claims if claim.person_id != actor.id]
        if not others or len(others) < stage.lacking:
            return None
        taken += others
    first = min(taken, key=lambda claim: claim.until)
    return {
        "tone": "",
        "icon": "person",
        "title": _("%(name)s is looking at it") % {"name": names[first.person_id]},
        "text": _("Until %(time)s (UTC) at the latest; then it waits for you again.")
        % {"time": first.until.strftime("%H:%M")},
    }


def _closed(case: CaseRecord) -> dict[str, str]:
    texts = {
        "approved": _(
            "Every stage approved these bytes. The publisher marks and releases them "
            "as soon as the approval is under a signed checkpoint."
        ),
        "rejected": _("It was rejected. These bytes never leave; a new order makes new ones."),
        "changes_requested": _(
            "Changes were requested. A new order, with other values, opens a new case."
        ),
        "voided": case.void_reason or _("The case was voided; no decision in it counts any more."),
    }
    if case.subject.kind != "asset":
        texts["approved"] = _("Every stage approved this content; it counts from now on.")
        texts["rejected"] = _("It was rejected. A new version opens a new case.")
        texts["changes_requested"] = _("Changes were requested. A new version opens a new case.")
    word = words.state(case.state)
    return {
        "tone": word.tone,
        "icon": word.icon,
        "title": str(word.label),
        "text": texts.get(case.state, ""),
    }
