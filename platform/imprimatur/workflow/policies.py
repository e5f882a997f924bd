"""Proposes review policies and fills groups with the brand's people at hand; and shows proposals.

What is shown to somebody who may decide about it is recorded as delivered to them: a decision rests
on content that was on that person's screen.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.review import selectors as reviews
from governance.review import services as review
from governance.review.records import GroupRecord, PolicyRecord, PolicyWarning
from governance.review.services import PolicyContent
from imprimatur.accounts import selectors as accounts
from imprimatur.workflow import backtest, scoring_policies
from templates.brands import selectors as brands
from templates.brands import services as brand_services
from templates.brands.records import RulesRecord, ScoringPolicyRecord


def propose(
    *, actor: Actor, brand_id: UUID, content: Mapping[str, Any], now: datetime
) -> PolicyRecord:
    """Propose a review policy, checked against who holds which role in the brand now.

    `content` is what `content_of` takes. Raises: what `propose_policy` raises.
    """
    return review.propose_policy(
        actor=actor,
        brand_id=brand_id,
        roster=accounts.people_by_role(brand_id),
        now=now,
        **content,
    )


def check(
    *, actor: Actor, brand_id: UUID, content: Mapping[str, Any]
) -> tuple[PolicyContent, Sequence[PolicyWarning]]:
    """Return a policy as it would be proposed, and whom it would leave out; records nothing.

    Raises: what `check_policy` raises.
    """
    checked = review.content_of(**content)
    warnings = review.check_policy(
        actor=actor,
        brand_id=brand_id,
        content=checked,
        roster=accounts.people_by_role(brand_id),
    )
    return checked, warnings


def add_to_group(*, actor: Actor, group_id: UUID, person_id: UUID, now: datetime) -> GroupRecord:
    """Put a member of the brand into one of its groups. Raises: what `add_member` raises."""
    group = reviews.get_group(actor, group_id)
    return review.add_member(
        actor=actor,
        group_id=group_id,
        person_id=person_id,
        roster=accounts.people_by_role(group.brand_id),
        now=now,
    )


def propose_scoring(
    *, actor: Actor, brand_id: UUID, content: Mapping[str, Any], now: datetime
) -> ScoringPolicyRecord:
    """Propose a scoring policy, and file the backtest that its reviewers need with it.

    `content` is a scoring policy's document. Raises: what `scoring_policies.require_sound`,
    `brands.propose_scoring_policy` and `backtest.run` raise; then nothing is proposed.
    """
    brands.get_brand(actor, brand_id)
    scoring_policies.require_sound(actor=actor, brand_id=brand_id, content=content)
    with transaction.atomic():
        policy = brand_services.propose_scoring_policy(
            actor=actor, brand_id=brand_id, now=now, **content
        )
        backtest.run(actor=actor, policy_id=policy.id, now=now)
    return policy


def show_policy(*, actor: Actor, policy_id: UUID, now: datetime) -> PolicyRecord:
    """Return a review policy for somebody's screen. Raises: NotFound."""
    policy = reviews.get_policy(actor, policy_id)
    _deliver(actor, policy.id, policy.sha256, now)
    return policy


def show_rules(*, actor: Actor, rules_id: UUID, now: datetime) -> RulesRecord:
    """Return a brand's rules for somebody's screen. Raises: NotFound."""
    rules = brands.get_rules(actor, rules_id)
    _deliver(actor, rules.id, rules.sha256, now)
    return rules


def show_scoring_policy(*, actor: Actor, policy_id: UUID, now: datetime) -> ScoringPolicyRecord:
    """Return a scoring policy for somebody's screen. Raises: NotFound."""
    policy = brands.read_scoring_policy(actor, policy_id)
    _deliver(actor, policy.id, policy.sha256, now)
    return policy


def _deliver(actor: Actor, subject_id: UUID, sha256: str, now: datetime) -> None:
    review.record_delivery(actor=actor, subject_id=subject_id, sha256=sha256, now=now)
