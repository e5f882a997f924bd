"""Says what a proposed scoring policy would have changed, and files that with its review.

Nothing is measured anew: recorded values are held against other thresholds. The report names the
sha256 of exactly the policy that it is about; without one the policy is not approved.
"""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import services as review
from governance.review.records import ExhibitRecord
from governance.review.states import ExhibitKind
from imprimatur.workflow import past
from imprimatur.workflow.rejudge import Cascade, Rule, Rules
from imprimatur.workflow.tallies import RulesFor, tally
from templates.brands import scoring
from templates.brands import selectors as brands
from templates.brands.records import ScoringPolicyRecord

LEAST, MOST, USUAL = 100, 10_000, 1_000


def run(*, actor: Actor, policy_id: UUID, now: datetime, count: int = USUAL) -> ExhibitRecord:
    """Backtest a policy over the brand's last `count` images, and file the report with its review.

    A brand without images has a report of none. Raises: NotFound, NotPermitted, CaseClosed;
    InvalidInput unless `count` lies between 100 and 10,000.
    """
    policy = brands.read_scoring_policy(actor, policy_id)
    permits.require(actor, Permission.REVIEW_EXHIBIT_FILE, Context(brand_id=policy.brand_id))
    document = report(actor=actor, policy=policy, count=count)
    whole = document["whole"]
    return review.file_exhibit(
        actor=actor,
        subject_id=policy.id,
        sha256=policy.sha256,
        kind=ExhibitKind.BACKTEST.value,
        document=document,
        facts={
            "policy_sha256": policy.sha256,
            "asked": count,
            "assets": whole["assets"],
            "changed": whole["changed"],
        },
        now=now,
    )


def report(*, actor: Actor, policy: ScoringPolicyRecord, count: int) -> dict[str, Any]:
    """Return what the policy would have changed, as a document; nothing is recorded.

    Raises: NotFound, NotPermitted; InvalidInput as in `run`.
    """
    if not LEAST <= count <= MOST:
        raise InvalidInput(
            _("A backtest goes over %(least)s to %(most)s images.")
            % {"least": LEAST, "most": MOST},
            pointer="/assets",
            rule="range",
        )
    images = past.list_images(actor, policy.brand_id, count=count)
    return {
        "v": 1,
        "policy": {"id": str(policy.id), "number": policy.number, "sha256": policy.sha256},
        "asked": count,
        **tally(images, rules_of(policy)),
    }


def rules_of(policy: ScoringPolicyRecord) -> RulesFor:
    """Return which rules of a policy apply to an image of a market and a template."""
    cascades = tuple(
        Cascade(
            first=each["first"],
            second=each["second"],
            least=each["from"],
            most=each["to"],
            combine=each.get("combine", "hold_on_disagreement"),
        )
        for each in policy.cascades
    )

    @cache
    def rules_for(market: str, template: str) -> Rules:
        effective = scoring.effective(policy.document, market=market, template_slug=template)
        return Rules(
            {rule.scorer: Rule(rule.threshold, rule.outcome, rule.version) for rule in effective},
            cascades,
        )

    return rules_for
