"""Refusals and appeals: what was stopped and why, what can be done, and who decides about it."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.jobs import selectors as jobs
from generation.registry import selectors as registry
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.refusals import selectors as refusals
from governance.refusals.records import AppealRecord, RefusalRecord
from governance.refusals.states import AppealState, Stage
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.web.screens import _shared, findings
from imprimatur.workflow import appeals as workflow
from templates.brands.records import BrandRecord

PAGE = 24


def refusals_page(actor: Actor, show: str, after: UUID | None) -> dict[str, Any]:
    """Return a page of refusals: the person's own, or all that they may see."""
    sees_others = bool(permits.brands_where(actor, Permission.REFUSALS_REFUSAL_READ))
    show = show if sees_others and show in {"mine", "all"} else ("all" if sees_others else "mine")
    found = refusals.list_refusals(
        actor,
        requester_id=actor.id if show == "mine" else None,
        after=after,
        limit=PAGE + 1,
    )
    kept, page = _shared.page_of(found, PAGE, after, {"show": show})
    labels = {"all": _("All"), "mine": _("Yours")} if sees_others else {"mine": _("Yours")}
    return {
        "refusals": _rows(kept, actor),
        "tabs": [
            {"code": code, "label": label, "is_current": code == show}
            for code, label in labels.items()
        ],
        "page": page,
        "waiting": len(refusals.list_appeals(actor, decidable=True, limit=1)),
    }


def refusal_page(actor: Actor, refusal_id: UUID, shown_words: str | None = None) -> dict[str, Any]:
    """Return one refusal, what became of it, and what this person can do. Raises: NotFound."""
    record = refusals.get_refusal(actor, refusal_id)
    appeal = refusals.find_appeal(record.id)
    stands = appeal is not None and appeal.state != AppealState.WITHDRAWN
    is_own = record.requester_id == actor.id
    override = refusals.find_override(actor, record.id)
    names = accounts.display_names(
        {record.requester_id} | ({override.decided_by} if override else set())
    )
    is_undecided = override is None and not stands and record.overridable_by is not None
    return {
        "refusal": {
            **_facts(actor, record),
            "requester": _("You") if is_own else names[record.requester_id],
            "words": _own_words(actor, record) if is_own else shown_words,
            "words_label": _("What the reviewer wrote")
            if record.decided_by
            else _("The refused words"),
        },
        "appeal": _appeal_link(actor, appeal) if appeal and stands else None,
        "override": None
        if override is None
        else {
            "by": names[override.decided_by],
            "reason": override.reason if override.reason is not None else _("Erased"),
            "at": override.created_at,
            "valid_until": override.valid_until,
        },
        "may_appeal": is_undecided and _may_appeal(actor, record),
        "may_override": is_undecided and _may_decide(actor, record),
        "may_read": not is_own and record.has_detail and _may_decide(actor, record),
    }


def appeals_page(actor: Actor, show: str, after: UUID | None) -> dict[str, Any]:
    """Return a page of appeals: those to decide, oldest first, or all that the person may see."""
    decides = bool(permits.brands_where(actor, Permission.REFUSALS_APPEAL_DECIDE))
    show = show if decides and show in {"decide", "all"} else ("decide" if decides else "all")
    found = refusals.list_appeals(actor, decidable=show == "decide", after=after, limit=PAGE + 1)
    kept, page = _shared.page_of(found, PAGE, after, {"show": show})
    known = _shared.brands_by_id(actor)
    names = accounts.display_names({appeal.appellant_id for appeal in kept})
    labels = {"decide": _("For you"), "all": _("All")} if decides else {"all": _("All")}
    return {
        "appeals": [
            {
                "id": appeal.id,
                "title": _title(appeal.refusal),
                "reason": appeal.refusal.reason,
                "brand": _shared.brand_name(known, appeal.brand_id),
                "appellant": "" if appeal.appellant_id == actor.id else names[appeal.appellant_id],
                "state": appeal.state,
                "opened_at": appeal.opened_at,
            }
            for appeal in kept
        ],
        "tabs": [
            {"code": code, "label": label, "is_current": code == show}
            for code, label in labels.items()
        ],
        "show": show,
        "page": page,
        "next_label": _("Next") if show == "decide" else "",
    }


def appeal_page(actor: Actor, appeal_id: UUID) -> dict[str, Any]:
    """Return one appeal, and why this person may not decide it, if so. Raises: NotFound."""
    appeal = refusals.get_appeal(actor, appeal_id)
    decider = appeal.decided_by
    names = accounts.display_names({appeal.appellant_id} | ({decider} if decider else set()))
    erased = _("Erased")
    return {
        "appeal": {
            "id": appeal.id,
            "state": appeal.state,
            "opened_at": appeal.opened_at,
            "closed_at": appeal.closed_at,
            "appellant": names[appeal.appellant_id],
            "argument": appeal.argument if appeal.argument is not None else erased,
            "decided_by": names[decider] if decider else "",
            "reason": (appeal.reason if appeal.reason is not None else erased) if decider else "",
            "may_withdraw": appeal.appellant_id == actor.id and appeal.state == AppealState.OPEN,
        },
        "refusal": _facts(actor, appeal.refusal),
        "hindrance": _hindrance(actor, appeal),
    }


def next_appeal(actor: Actor) -> UUID | None:
    """Return the next appeal that waits for this person."""
    waiting = refusals.list_appeals(actor, decidable=True, limit=1)
    return waiting[0].id if waiting else None


def _rows(records: Iterable[RefusalRecord], actor: Actor) -> list[dict[str, Any]]:
    records = list(records)
    known = _shared.brands_by_id(actor)
    names = accounts.display_names({record.requester_id for record in records})
    return [
        {
            "id": record.id,
            "title": _title(record),
            "reason": record.reason,
            "brand": _brand(known, record),
            "at": record.created_at,
            "requester": "" if record.requester_id == actor.id else names[record.requester_id],
            "state": "overridden" if record.override_id else "refused",
        }
        for record in records
    ]


def _facts(actor: Actor, record: RefusalRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "title": _title(record),
        "explanation": record.explanation,
        "rule": _rule(record),
        "brand": _brand(_shared.brands_by_id(actor), record),
        "at": record.created_at,
        "state": "overridden" if record.override_id else "refused",
        "asset": _refused_image(actor, record) if record.stage == Stage.IMAGE else None,
    }


def _refused_image(actor: Actor, record: RefusalRecord) -> dict[str, Any] | None:
    """Return the image with what its scorers found, if the person may see it."""
    asset = assets.find_assets(actor, [record.subject_id]).get(record.subject_id)
    if asset is None:
        return None
    profile = registry.get_profile(jobs.get_job(actor, asset.job_id).profile_id)
    return _shared.shown_asset(
        asset,
        is_calibrated=profile.is_calibrated,
        twins=findings.twins_of(actor, [asset]),
    )


def _title(record: RefusalRecord) -> str:
    titles = {
        "prompt": _("An order, for its words"),
        "image": _("An image, for its scores"),
        "gate": _("A release, at the gate"),
        "quota": _("An order, for its quota"),
        "licence": _("An order, for its licence"),
        "endpoint": _("An order, for where it would be made"),
        "rights": _("An order, for the rights in a picture"),
    }
    return titles[record.stage]


def _rule(record: RefusalRecord) -> str:
    if record.stage == Stage.IMAGE:
        return words.scorer(record.category)
    return record.category.replace("_", " ")


def _brand(known: Mapping[UUID, BrandRecord], record: RefusalRecord) -> str:
    return _shared.brand_name(known, record.brand_id)


def _own_words(actor: Actor, record: RefusalRecord) -> str | None:
    return workflow.own_words(actor=actor, refusal_id=record.id) if record.has_detail else None


def _appeal_link(actor: Actor, appeal: AppealRecord) -> dict[str, Any]:
    """Return where an appeal stands; its page is for those who may read it."""
    try:
        refusals.get_appeal(actor, appeal.id)
    except NotFound:
        return {"id": None, "state": appeal.state}
    return {"id": appeal.id, "state": appeal.state}


def _may_appeal(actor: Actor, record: RefusalRecord) -> bool:
    context = Context(brand_id=record.brand_id, owner_id=record.requester_id)
    return permits.may(actor, Permission.REFUSALS_APPEAL_OPEN, context)


def _may_decide(actor: Actor, record: RefusalRecord) -> bool:
    context = refusals.deciding_context(record, workflow.contributors(record))
    return permits.may(actor, Permission.REFUSALS_REFUSAL_OVERRIDE, context)


def _hindrance(actor: Actor, appeal: AppealRecord) -> dict[str, str] | None:
    """Return why this person cannot decide, in words; None if they can."""
    if appeal.state != AppealState.OPEN:
        return _closed(appeal)
    context = refusals.deciding_context(appeal.refusal, workflow.contributors(appeal.refusal))
    if permits.may(actor, Permission.REFUSALS_APPEAL_DECIDE, context):
        return None
    if actor.id in context.contributors:
        return {
            "tone": "",
            "icon": "lock",
            "title": _("You had a part in this"),
            "text": _(
                "Whoever was refused, wrote the template or refused it never decides about it. "
                "Another compliance reviewer does."
            ),
        }
    return {
        "tone": "",
        "icon": "clock",
        "title": _("It waits for another role"),
        "text": _("An appeal is decided by this role: %(role)s.")
        % {"role": words.role(str(appeal.refusal.overridable_by))},
    }


def _closed(appeal: AppealRecord) -> dict[str, str]:
    after = {
        "prompt": _(
            "The requester may order exactly these words once, within the days that are set for it."
        ),
        "image": _("The image went into review, where every stage decides as usual."),
    }
    texts = {
        "upheld": _("The refusal stands. The decision is final."),
        "overturned": after.get(appeal.refusal.stage, ""),
        "withdrawn": _("The requester took the appeal back."),
    }
    word = words.state(appeal.state)
    return {
        "tone": word.tone,
        "icon": word.icon,
        "title": str(word.label),
        "text": texts[appeal.state],
    }
