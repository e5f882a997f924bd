"""Decide about refusals: on an appeal or without one; and what an overturned refusal leads to.

An overturned prompt lets one order of exactly the refused words pass; an overturned image goes into
review. A refused attempt to decide is recorded once everything else of it is rolled back.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction

from generation.jobs import services as jobs
from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.refusals import selectors as refusals
from governance.refusals import services as refusal_services
from governance.refusals.records import AppealRecord, OverrideRecord, RefusalRecord
from governance.refusals.states import AppealState, Stage
from governance.review import selectors as review
from templates.brands.screening import Violation

Result = TypeVar("Result")


def decide(
    *, actor: Actor, appeal_id: UUID, ruling: str, reason: str, now: datetime
) -> AppealRecord:
    """Decide an appeal, with everything that follows from it.

    Raises: NotFound, InvalidInput, NotPermitted, HadAPart, AppealClosed, ReasonRequired; whatever
    keeps a refused image from going into review, and then the appeal stays open.
    """

    def act() -> AppealRecord:
        refusal = refusals.get_appeal(actor, appeal_id).refusal
        decided = refusal_services.decide_appeal(
            actor=actor,
            appeal_id=appeal_id,
            ruling=ruling,
            reason=reason,
            contributors=contributors(refusal),
            pass_until=_pass_until(now),
            now=now,
        )
        if decided.state == AppealState.OVERTURNED:
            _let_go_on(actor, refusal, now)
        return decided

    return _recorded(act, actor=actor, kind="appeal", about=appeal_id, now=now)


def override(*, actor: Actor, refusal_id: UUID, reason: str, now: datetime) -> OverrideRecord:
    """Lift a refusal that nobody has appealed, with everything that follows from it.

    Raises: NotFound, InvalidInput, NotPermitted, HadAPart, NotOverridable, AlreadyOverridden,
    AppealExists, ReasonRequired; whatever keeps a refused image from going into review.
    """

    def act() -> OverrideRecord:
        refusal = refusals.get_refusal(actor, refusal_id)
        lifted = refusal_services.override_refusal(
            actor=actor,
            refusal_id=refusal_id,
            reason=reason,
            contributors=contributors(refusal),
            pass_until=_pass_until(now),
            now=now,
        )
        _let_go_on(actor, refusal, now)
        return lifted

    return _recorded(act, actor=actor, kind="refusal", about=refusal_id, now=now)


def reveal(*, actor: Actor, refusal_id: UUID, now: datetime) -> str | None:
    """Show what was refused to whoever may decide about it, and record that they read it.

    None if there is no such text, or it was erased. Raises: NotFound, NotPermitted, HadAPart.
    """
    refusal = refusals.get_refusal(actor, refusal_id)
    detail = refusal_services.reveal_detail(
        actor=actor, refusal_id=refusal_id, contributors=contributors(refusal), now=now
    )
    return None if detail is None else _readable(detail)


def own_words(*, actor: Actor, refusal_id: UUID) -> str | None:
    """Show the requester what they were refused; None if there is no text, or it was erased.

    Raises: NotFound; NotPermitted for anybody else.
    """
    detail = refusals.read_detail(actor, refusal_id)
    return None if detail is None else _readable(detail)


def contributors(refusal: RefusalRecord) -> frozenset[UUID]:
    """Return who had a part in what was refused: a template's authors, or an image's people."""
    return review.contributors(refusal.subject_id)


def order_words(
    *, prompt: str, variables: Mapping[str, Any], rules_id: UUID, market: str = ""
) -> dict[str, Any]:
    """Return what an override judges: an order's words and market, and the rules that they broke.

    In another market other rules hold, so what was overridden for one does not pass for the next.
    """
    words = {"prompt": prompt, "variables": dict(variables), "rules": str(rules_id)}
    return {**words, **({"market": market} if market else {})}


def refused_order(violation: Violation, words: Mapping[str, Any]) -> str:
    """Write down what was refused, to be sealed: what broke the rule, and the order's words."""
    place = {"found": violation.found, "start": violation.start, "end": violation.end}
    return json.dumps(
        {"field": violation.field, "term": violation.term, **place, "order": dict(words)}
    )


def find_pass(
    *, actor: Actor, template_version_id: UUID, words: Mapping[str, Any], now: datetime
) -> UUID | None:
    """Return the override that lets exactly this order of this person pass, or None.

    Other words, another version of the template and newer rules are screened as always. The words
    are compared in clear, each time opened anew: no digest of them is kept, and an erased person's
    pass is gone.
    """
    wanted = canonical_json(words)
    standing = refusals.list_passes(requester_id=actor.id, subject_id=template_version_id, now=now)
    for each in standing:
        refused = json.loads(each.detail).get("order") if each.detail is not None else None
        if refused is not None and canonical_json(refused) == wanted:
            return each.override_id
    return None


def _let_go_on(actor: Actor, refusal: RefusalRecord, now: datetime) -> None:
    """Do what an override allows at once; a prompt's waits for its order."""
    if refusal.stage == Stage.IMAGE:
        jobs.overturn_refusal(actor=actor, refusal_id=refusal.id, now=now)


def _recorded(
    act: Callable[[], Result], *, actor: Actor, kind: str, about: UUID, now: datetime
) -> Result:
    """Act in one transaction; what a rule refuses is rolled back, and then the attempt recorded.

    Malformed input, and what the actor may not even see, leaves nothing.
    """
    try:
        with transaction.atomic():
            return act()
    except (NotFound, InvalidInput):
        raise
    except DomainError as error:
        refusal_services.record_refused_attempt(
            actor=actor, subject_kind=kind, subject_id=about, code=error.code, now=now
        )
        raise


def _pass_until(now: datetime) -> datetime:
    return now + timedelta(days=settings.PASS_DAYS)


def _readable(detail: str) -> str:
    """Return the words that a person has to judge: the prompt, or what somebody wrote."""
    try:
        content = json.loads(detail)
    except ValueError:
        return detail
    order = content.get("order") if isinstance(content, dict) else None
    return str(order["prompt"]) if order else detail
