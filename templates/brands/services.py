"""Commands on brands: create one; propose and approve its rules and its scoring policy.

What is proposed is reviewed like everything else, under the brand's policy for it; the approval
of its case puts it in force.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import may, require
from governance.policy.predicates import Context
from governance.review import services as review
from templates.brands import markets as brand_markets
from templates.brands import scoring, screening, selectors, shapes
from templates.brands.errors import AlreadyApproved, BrandExists
from templates.brands.markets import Market
from templates.brands.models import Brand, RuleSet, ScoringPolicy
from templates.brands.records import BrandRecord, RulesRecord, ScoringPolicyRecord
from templates.brands.screening import Rule
from templates.brands.states import DataClass

Version = TypeVar("Version", RuleSet, ScoringPolicy)

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
COLOR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
MAX_SLUG = 60
MAX_NAME = 120
MAX_COLORS = 24
# Every brand starts closed: its prompts and images stay inside this installation.
DEFAULT_DATA_CLASS = DataClass.INTERNAL.value


def create_brand(
    *,
    actor: Actor,
    slug: str,
    name: str,
    palette: Sequence[str],
    now: datetime,
    markets: Sequence[Market] = (),
) -> BrandRecord:
    """Create a brand with its first review policies; it can be ordered for once it has its own.

    Raises: InvalidInput for a bad slug, name, color or market; BrandExists.
    """
    require(actor, Permission.BRANDS_BRAND_CREATE, Context())
    _check_brand(slug=slug, name=name, palette=palette)
    shapes.require(brand_markets.market_problems(markets))
    with transaction.atomic():
        if Brand.objects.filter(slug=slug).exists():
            raise BrandExists(_("Another brand has this slug."), pointer="/slug", slug=slug)
        brand = Brand.objects.create(
            slug=slug,
            name=name,
            data_class=DEFAULT_DATA_CLASS,
            palette=list(palette),
            markets=brand_markets.document_of(markets),
            created_at=now,
        )
        ledger.append(
            actor=actor,
            event=Event.BRANDS_BRAND_CREATED,
            subject=SubjectRef("brand", brand.id, brand.id),
            now=now,
            facts={
                "slug": slug,
                "data_class": brand.data_class,
                "palette": list(palette),
                **({"markets": brand.markets} if markets else {}),
            },
        )
        review.install_policies(actor=actor, brand_id=brand.id, now=now)
    return selectors.brand_record(brand)


def set_markets(
    *, actor: Actor, brand_id: UUID, markets: Sequence[Market], now: datetime
) -> BrandRecord:
    """Say where a brand's images are shown; orders that were placed keep their market.

    The first market is what an order is for if it names none. Raises: InvalidInput, NotFound.
    """
    selectors.get_brand(actor, brand_id)
    require(actor, Permission.BRANDS_MARKET_SET, Context(brand_id=brand_id))
    shapes.require(brand_markets.market_problems(markets))
    written = brand_markets.document_of(markets)
    with transaction.atomic():
        brand = Brand.objects.select_for_update(no_key=True).get(pk=brand_id)
        before, brand.markets = brand.markets, written
        brand.save(update_fields=["markets"])
        ledger.append(
            actor=actor,
            event=Event.BRANDS_BRAND_MARKETS_SET,
            subject=SubjectRef("brand", brand.id, brand.id),
            now=now,
            facts={"before": before, "after": written},
        )
    return selectors.brand_record(brand)


def set_data_class(*, actor: Actor, brand_id: UUID, data_class: str, now: datetime) -> BrandRecord:
    """Say how open a brand's prompts and images are: it decides where they may be sent.

    It holds from now on, for images that wait as well.
    Raises: NotFound for a hidden brand, NotPermitted, InvalidInput.
    """
    selectors.get_brand(actor, brand_id)
    require(actor, Permission.BRANDS_DATA_CLASS_SET, Context(brand_id=brand_id))
    if data_class not in DataClass.values:
        raise InvalidInput(
            _("A data class is one of: %(classes)s.") % {"classes": ", ".join(DataClass.values)},
            pointer="/data_class",
            rule="choice",
        )
    with transaction.atomic():
        brand = Brand.objects.select_for_update(no_key=True).get(pk=brand_id)
        before, brand.data_class = brand.data_class, data_class
        brand.save(update_fields=["data_class"])
        ledger.append(
            actor=actor,
            event=Event.BRANDS_BRAND_DATA_CLASS_SET,
            subject=SubjectRef("brand", brand.id, brand.id),
            now=now,
            facts={"before": before, "after": data_class},
        )
    return selectors.brand_record(brand)


def propose_rules(
    *, actor: Actor, brand_id: UUID, rules: Sequence[Rule | Mapping[str, Any]], now: datetime
) -> RulesRecord:
    """Propose a brand's next set of rules and open its review; approved, it counts.

    Raises: InvalidInput for a bad rule, NotFound for a hidden brand, NoPolicy.
    """
    selectors.get_brand(actor, brand_id)
    require(actor, Permission.BRANDS_RULES_PROPOSE, Context(brand_id=brand_id))
    written = screening.document_of(screening.rules_of(_as_data(rules)))
    with transaction.atomic():
        number = _next_number(RuleSet, brand_id)
        row = RuleSet.objects.create(
            brand_id=brand_id,
            number=number,
            rules=written,
            sha256=sha256_hex(canonical_json({"rules": written})),
            proposed_by=actor.id,
            created_at=now,
        )
        ledger.append(
            actor=actor,
            event=Event.BRANDS_RULES_PROPOSED,
            subject=_subject("rule_set", row),
            now=now,
            facts={"number": number, "rules": len(written)},
        )
        review.submit_content(
            actor=actor,
            subject=_subject("rule_set", row),
            title=_("Rules, version %(number)s") % {"number": number},
            parent_id=_in_force(row),
            now=now,
        )
    return selectors.rules_record(row)


def approve_rules(*, actor: Actor, rules_id: UUID, sha256: str, now: datetime) -> RulesRecord:
    """Approve proposed rules as one of their reviewers; after the last approval they count.

    `sha256` is of the rules that the actor was shown.
    Raises: NotFound; NotPermitted for whoever proposed them; AlreadyApproved; what `decide` raises.
    """
    row = _approve(RuleSet, actor=actor, row_id=rules_id, sha256=sha256, now=now)
    return selectors.rules_record(row)


def propose_scoring_policy(
    *,
    actor: Actor,
    brand_id: UUID,
    advisory: bool,
    thresholds: Mapping[str, Mapping[str, Any]],
    now: datetime,
    **sections: Any,
) -> ScoringPolicyRecord:
    """Propose a brand's next scoring policy and open its review; approved, it counts.

    `sections` are those of a scoring policy's document: markets, templates, concepts, cascades.
    Raises: InvalidInput naming what is wrong, a market that is none of the brand's included;
    NotFound for a hidden brand, NoPolicy.
    """
    brand = selectors.get_brand(actor, brand_id)
    # A scoring policy is one of the brand's rules: the same people propose and approve both.
    require(actor, Permission.BRANDS_RULES_PROPOSE, Context(brand_id=brand_id))
    written = scoring.policy_of({"advisory": advisory, "thresholds": thresholds, **sections})
    shapes.require(_foreign_markets(brand, written))
    with transaction.atomic():
        number = _next_number(ScoringPolicy, brand_id)
        row = ScoringPolicy.objects.create(
            brand_id=brand_id,
            number=number,
            advisory=written["advisory"],
            thresholds=written["thresholds"],
            sections={name: written[name] for name in scoring.SECTIONS if name in written} or None,
            sha256=sha256_hex(canonical_json(written)),
            proposed_by=actor.id,
            created_at=now,
        )
        ledger.append(
            actor=actor,
            event=Event.BRANDS_SCORING_POLICY_PROPOSED,
            subject=_subject("scoring_policy", row),
            now=now,
            facts={
                "number": number,
                "advisory": advisory,
                "scorers": sorted(scoring.scorers_of(written)),
                **{
                    name: sorted(written[name])
                    for name in ("markets", "templates")
                    if name in written
                },
            },
        )
        review.submit_content(
            actor=actor,
            subject=_subject("scoring_policy", row),
            title=_("Scoring policy, version %(number)s") % {"number": number},
            parent_id=_in_force(row),
            now=now,
        )
    return selectors.scoring_policy_record(row)


def approve_scoring_policy(
    *, actor: Actor, policy_id: UUID, sha256: str, now: datetime
) -> ScoringPolicyRecord:
    """Approve a proposed scoring policy as one of its reviewers; after the last one it counts.

    `sha256` is of the thresholds that the actor was shown.
    Raises: NotFound; NotPermitted for whoever proposed it; AlreadyApproved; what `decide` raises.
    """
    row = _approve(ScoringPolicy, actor=actor, row_id=policy_id, sha256=sha256, now=now)
    return selectors.scoring_policy_record(row)


def _check_brand(*, slug: str, name: str, palette: Sequence[str]) -> None:
    if len(slug) > MAX_SLUG or not SLUG.fullmatch(slug):
        raise InvalidInput(
            _("A slug has lower-case letters, digits and single hyphens, at most 60 characters."),
            pointer="/slug",
            rule="pattern",
        )
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(
            _("A brand's name has 1 to 120 printable characters."), pointer="/name", rule="length"
        )
    if len(palette) > MAX_COLORS:
        raise InvalidInput(
            _("A palette has at most 24 colors."), pointer="/palette", rule="maxItems"
        )
    for place, color in enumerate(palette):
        if not COLOR.fullmatch(color):
            raise InvalidInput(
                _("A color is written as # and six lower-case hex digits, such as #1f6feb."),
                pointer=f"/palette/{place}",
                rule="pattern",
            )


def _foreign_markets(brand: BrandRecord, policy: Mapping[str, Any]) -> list[shapes.Problem]:
    return [
        shapes.Problem(
            shapes.pointer_to("markets", code),
            "market",
            _("This brand has no market %(code)s.") % {"code": code},
        )
        for code in policy.get("markets", {})
        if brand.market(code) is None
    ]


def _next_number(model: type[RuleSet] | type[ScoringPolicy], brand_id: UUID) -> int:
    # Two proposals at once take their numbers one after the other.
    Brand.objects.select_for_update(no_key=True).get(pk=brand_id)
    last = model.objects.filter(brand_id=brand_id).aggregate(last=Max("number"))["last"]
    return int(last or 0) + 1


def _in_force(row: RuleSet | ScoringPolicy) -> UUID | None:
    """Return the version that this one would take the place of: what reviewers compare it with."""
    versions = type(row).objects.filter(brand_id=row.brand_id, approved_by__isnull=False)
    return versions.order_by("-number").values_list("pk", flat=True).first()


def _approve(
    model: type[Version], *, actor: Actor, row_id: UUID, sha256: str, now: datetime
) -> Version:
    row = model.objects.filter(pk=row_id).first()
    if row is None or not may(actor, Permission.BRANDS_BRAND_READ, Context(brand_id=row.brand_id)):
        raise NotFound(_("Nothing that could be approved has this id."), pointer="/id")
    counting = model.objects.filter(
        brand_id=row.brand_id, number__gte=row.number, approved_by__isnull=False
    )
    if counting.exists():
        raise AlreadyApproved(
            _("This version, or a later one, was approved before."), number=row.number
        )
    # The database puts the version in force with its approval: see guards.
    review.approve_content(actor=actor, subject_id=row.id, sha256=sha256, now=now)
    row.refresh_from_db()
    return row


def _as_data(rules: Sequence[Rule | Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        screening.document_of([rule])[0] if isinstance(rule, Rule) else dict(rule) for rule in rules
    ]


def _subject(kind: str, row: RuleSet | ScoringPolicy) -> SubjectRef:
    return SubjectRef(kind, row.id, row.brand_id, row.sha256)
