"""Reads of brands, as frozen records; a brand that an actor may not see does not exist for them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from templates.brands import markets, screening
from templates.brands.errors import NoRules, NoScoringPolicy
from templates.brands.models import Brand, RuleSet, ScoringPolicy
from templates.brands.records import BrandRecord, RulesRecord, ScoringPolicyRecord


def get_brand(actor: Actor, brand_id: UUID) -> BrandRecord:
    """Return one brand. Raises: NotFound if there is none or the actor may not see it."""
    if _may_see(actor, brand_id):
        brand = Brand.objects.filter(pk=brand_id).first()
        if brand is not None:
            return brand_record(brand)
    raise NotFound(_("No brand has this id."), pointer="/brand_id")


def list_brands(actor: Actor) -> tuple[BrandRecord, ...]:
    """List the brands that the actor may see, by slug."""
    brands = Brand.objects.order_by("slug")
    if not permits.may(actor, Permission.BRANDS_BRAND_READ, Context()):
        brands = brands.filter(pk__in=permits.brands_where(actor, Permission.BRANDS_BRAND_READ))
    return tuple(brand_record(brand) for brand in brands)


def find_brand_by_slug(slug: str) -> BrandRecord | None:
    """Find a brand by its slug, for commands of the installation itself; views ask `get_brand`."""
    brand = Brand.objects.filter(slug=slug).first()
    return None if brand is None else brand_record(brand)


def current_rules(brand_id: UUID) -> RulesRecord:
    """Return the brand's rules that count: the highest approved number. Raises: NoRules."""
    rules = (
        RuleSet.objects.filter(brand_id=brand_id, approved_by__isnull=False)
        .order_by("-number")
        .first()
    )
    if rules is None:
        raise NoRules(
            _("This brand has no approved rules yet, so nothing can be ordered for it."),
            brand_id=str(brand_id),
        )
    return rules_record(rules)


def get_rules(actor: Actor, rules_id: UUID) -> RulesRecord:
    """Return one set of rules of a brand that the actor may see. Raises: NotFound."""
    rules = RuleSet.objects.filter(pk=rules_id).first()
    if rules is None or not _may_see(actor, rules.brand_id):
        raise NotFound(_("No set of rules has this id."), pointer="/rules_id")
    return rules_record(rules)


def list_rules(actor: Actor, brand_id: UUID) -> tuple[RulesRecord, ...]:
    """List every set of rules of a brand, newest first. Raises: NotFound for a hidden brand."""
    get_brand(actor, brand_id)
    rows = RuleSet.objects.filter(brand_id=brand_id).order_by("-number")
    return tuple(rules_record(row) for row in rows)


def current_scoring_policy(brand_id: UUID) -> ScoringPolicyRecord:
    """Return the policy that counts: the highest approved number. Raises: NoScoringPolicy."""
    policy = (
        ScoringPolicy.objects.filter(brand_id=brand_id, approved_by__isnull=False)
        .order_by("-number")
        .first()
    )
    if policy is None:
        raise NoScoringPolicy(
            _("This brand has no approved scoring policy yet, so no image can be judged for it."),
            brand_id=str(brand_id),
        )
    return scoring_policy_record(policy)


def get_scoring_policy(policy_id: UUID) -> ScoringPolicyRecord:
    """Return one policy, current or not: what an old image was judged by. Raises: NotFound."""
    policy = ScoringPolicy.objects.filter(pk=policy_id).first()
    if policy is None:
        raise NotFound(_("No scoring policy has this id."), pointer="/policy_id")
    return scoring_policy_record(policy)


def read_scoring_policy(actor: Actor, policy_id: UUID) -> ScoringPolicyRecord:
    """Return one policy of a brand that the actor may see. Raises: NotFound."""
    policy = get_scoring_policy(policy_id)
    if not _may_see(actor, policy.brand_id):
        raise NotFound(_("No scoring policy has this id."), pointer="/policy_id")
    return policy


def list_scoring_policies(actor: Actor, brand_id: UUID) -> tuple[ScoringPolicyRecord, ...]:
    """List every scoring policy of a brand, newest first. Raises: NotFound for a hidden brand."""
    get_brand(actor, brand_id)
    rows = ScoringPolicy.objects.filter(brand_id=brand_id).order_by("-number")
    return tuple(scoring_policy_record(row) for row in rows)


def brand_record(brand: Brand) -> BrandRecord:
    """Return the row as a frozen record."""
    return BrandRecord(
        id=brand.id,
        slug=brand.slug,
        name=brand.name,
        data_class=brand.data_class,
        palette=tuple(brand.palette),
        created_at=brand.created_at,
        markets=markets.markets_of(brand.markets),
    )


def rules_record(rules: RuleSet) -> RulesRecord:
    """Return the row as a frozen record. Raises: InvalidInput if its rules are unreadable."""
    return RulesRecord(
        id=rules.id,
        brand_id=rules.brand_id,
        number=rules.number,
        rules=screening.rules_of(rules.rules),
        sha256=rules.sha256,
        proposed_by=rules.proposed_by,
        approved_by=rules.approved_by,
        approved_at=rules.approved_at,
    )


def scoring_policy_record(policy: ScoringPolicy) -> ScoringPolicyRecord:
    """Return the row as a frozen record."""
    thresholds: Mapping[str, Any] = policy.thresholds
    return ScoringPolicyRecord(
        id=policy.id,
        brand_id=policy.brand_id,
        number=policy.number,
        advisory=policy.advisory,
        thresholds=thresholds,
        sha256=policy.sha256,
        proposed_by=policy.proposed_by,
        approved_by=policy.approved_by,
        approved_at=policy.approved_at,
        **(policy.sections or {}),
    )


def _may_see(actor: Actor, brand_id: UUID) -> bool:
    return permits.may(actor, Permission.BRANDS_BRAND_READ, Context(brand_id=brand_id))
