"""How well a brand's scorers agree with its reviewers, over time; from recorded facts only.

What a person decided first about an image counts, once for each image. An approval in an emergency
is no judgement and is left out, and so are images that no person decided about: what a policy
refused by itself never met a reviewer, so the figures say nothing of those.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from generation.assets.selectors import PastScore
from governance.kernel.actors import Actor
from governance.review.outcomes import APPROVING
from imprimatur.workflow import past
from imprimatur.workflow.agreement import (
    AtThreshold,
    Interval,
    auc,
    histogram,
    stability_index,
)
from imprimatur.workflow.backtest import rules_of
from imprimatur.workflow.past import PastImage
from imprimatur.workflow.rejudge import Direction, Outcome, Rules, direction_of, rejudge
from imprimatur.workflow.tallies import RulesFor
from templates.brands import selectors as brands
from templates.brands.errors import NoScoringPolicy

# The latest images that are looked at, and the months that are shown.
MOST = 5_000
MONTHS = 12
BARS = 20


@dataclass(frozen=True, slots=True)
class Month:
    """One scorer in one month, "2026-11": what it measured and how it agreed."""

    month: str
    images: int
    approved: int
    rejected: int
    auc: Interval | None
    drift: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """How the values of approved and of rejected images spread, in equal bins."""

    low: float
    high: float
    approved: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """One version of one scorer against people's first decisions.

    `threshold` is that of the policy in force for the whole brand, None without one; `at` is
    counted with the rule that holds for each image. `older` counts images that were scored by
    another version or other weights, which are left out.
    """

    scorer: str
    version: str
    weights_sha256: str
    direction: Direction | None
    images: int
    older: int
    approved: int
    rejected: int
    threshold: float | None
    auc: Interval | None
    at: AtThreshold | None
    spread: Spread | None
    months: tuple[Month, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All scorers of a brand, and which images the figures rest on."""

    brand_id: UUID
    images: int
    decided: int
    emergencies: int
    policy_number: int | None
    scorers: tuple[Calibration, ...]


@dataclass(slots=True)
class _Seen:
    """One scorer while the images go by, newest first."""

    version: str
    weights_sha256: str
    values: list[tuple[str, float, str]] = field(default_factory=list)
    directions: Counter[Direction] = field(default_factory=Counter)
    older: int = 0
    stopped: int = 0
    rejected: int = 0
    both: int = 0
    has_rule: bool = False

    def add(self, image: PastImage, score: PastScore, said: Outcome | None) -> None:
        """Count one image's score, and what the policy in force says of it."""
        if (score.version, score.weights_sha256) != (self.version, self.weights_sha256):
            self.older += 1
            return
        if score.value is None:
            return
        direction = direction_of(score)
        if direction is not None:
            self.directions[direction] += 1
        decided = decided_as(image)
        self.values.append((image.asset.made_at.strftime("%Y-%m"), score.value, decided))
        if said in {Outcome.PASS, Outcome.FLAG, Outcome.REFUSE}:
            self.has_rule = True
            self.stopped += bool(decided) and said is not Outcome.PASS
            self.rejected += decided == "rejected"
            self.both += decided == "rejected" and said is not Outcome.PASS


def report(*, actor: Actor, brand_id: UUID, count: int = MOST) -> Report:
    """Return the calibration of a brand's scorers over its last `count` images.

    Raises: NotFound for a hidden brand, NotPermitted.
    """
    images = past.list_images(actor, brand_id, count=count)
    try:
        policy = brands.current_scoring_policy(brand_id)
    except NoScoringPolicy:
        return calibrate(brand_id, images, None, None)
    return calibrate(brand_id, images, rules_of(policy), policy.number)


def calibrate(
    brand_id: UUID,
    images: Iterable[PastImage],
    rules_for: RulesFor | None,
    policy_number: int | None,
) -> Report:
    """Compare scores with decisions; pure."""
    seen: dict[str, _Seen] = {}
    counts: Counter[str] = Counter()
    for image in images:
        counts["images"] += 1
        counts["decided"] += bool(decided_as(image))
        counts["emergencies"] += image.heard is not None and image.heard.is_emergency
        rules = Rules({}) if rules_for is None else rules_for(image.market, image.template)
        said = rejudge(image.asset.scores, rules)
        for score in image.asset.scores:
            newest = seen.setdefault(score.scorer, _Seen(score.version, score.weights_sha256))
            is_ruled = score.scorer in rules.by_scorer
            newest.add(image, score, said[score.scorer].outcome if is_ruled else None)
    whole = Rules({}) if rules_for is None else rules_for("", "")
    return Report(
        brand_id=brand_id,
        images=counts["images"],
        decided=counts["decided"],
        emergencies=counts["emergencies"],
        policy_number=policy_number,
        scorers=tuple(_calibration(name, seen[name], whole) for name in sorted(seen)),
    )


def decided_as(image: PastImage) -> str:
    """Return "approved" or "rejected" by the first decision; empty where no person judged."""
    heard = image.heard
    if heard is None or heard.is_emergency or heard.first_verdict is None:
        return ""
    return "approved" if heard.first_verdict in APPROVING else "rejected"


def _calibration(scorer: str, seen: _Seen, rules: Rules) -> Calibration:
    direction = seen.directions.most_common(1)[0][0] if seen.directions else None
    sign = -1.0 if direction == "worse" else 1.0
    approved = [value for _, value, decided in seen.values if decided == "approved"]
    rejected = [value for _, value, decided in seen.values if decided == "rejected"]
    rule = rules.by_scorer.get(scorer)
    return Calibration(
        scorer=scorer,
        version=seen.version,
        weights_sha256=seen.weights_sha256,
        direction=direction,
        images=len(seen.values),
        older=seen.older,
        approved=len(approved),
        rejected=len(rejected),
        threshold=None if rule is None else rule.threshold,
        auc=_auc(approved, rejected, sign) if direction else None,
        at=AtThreshold(seen.stopped, seen.rejected, seen.both) if seen.has_rule else None,
        spread=_spread(approved, rejected, None if rule is None else rule.threshold),
        months=_months(seen.values, sign if direction else None),
    )


def _auc(approved: Sequence[float], rejected: Sequence[float], sign: float) -> Interval | None:
    return auc([sign * value for value in approved], [sign * value for value in rejected])


def _spread(
    approved: Sequence[float], rejected: Sequence[float], threshold: float | None
) -> Spread | None:
    values = [*approved, *rejected]
    if not values:
        return None
    ends = [*values, *([] if threshold is None else [threshold])]
    low, high = min(ends), max(ends)
    return Spread(
        low,
        high,
        tuple(histogram(approved, low, high, BARS)),
        tuple(histogram(rejected, low, high, BARS)),
    )


def _months(values: Iterable[tuple[str, float, str]], sign: float | None) -> tuple[Month, ...]:
    """Return the last months, oldest first; drift is against the month before that has images."""
    by_month: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for month, value, decided in values:
        by_month[month].append((value, decided))
    found: list[Month] = []
    before: Sequence[float] | None = None
    for month in sorted(by_month)[-MONTHS:]:
        rows = by_month[month]
        now = [value for value, _ in rows]
        approved = [value for value, decided in rows if decided == "approved"]
        rejected = [value for value, decided in rows if decided == "rejected"]
        found.append(
            Month(
                month=month,
                images=len(rows),
                approved=len(approved),
                rejected=len(rejected),
                auc=None if sign is None else _auc(approved, rejected, sign),
                drift=None if before is None else stability_index(before, now),
            )
        )
        before = now
    return tuple(found)
