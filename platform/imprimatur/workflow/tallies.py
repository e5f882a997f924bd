"""Counts what another policy would change; pure: past images in, one document out.

Two runs over the same images give the same document, byte for byte.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from governance.review.outcomes import APPROVING
from imprimatur.workflow.past import PastImage
from imprimatur.workflow.rejudge import Outcome, Rules, overall, rejudge

MAX_SAMPLES = 12
MAX_GROUPS = 50
RulesFor = Callable[[str, str], Rules]

_SETTLED = {"approved": "approved", "rejected": "rejected", "changes_requested": "rejected"}
# How strict an outcome is, to tell a change for the stricter from one for the milder.
_RANK = {Outcome.PASS: 0, Outcome.FLAG: 1, Outcome.HOLD: 2, Outcome.REFUSE: 3}
_STOPS = frozenset({Outcome.HOLD, Outcome.REFUSE})


@dataclass(slots=True)
class _Group:
    """What was said of some images, and what would be said."""

    assets: int = 0
    changed: int = 0
    was: Counter[str] = field(default_factory=Counter)
    now: Counter[str] = field(default_factory=Counter)

    def add(self, was: Outcome, now: Outcome) -> None:
        """Count one image, or one score of it."""
        self.assets += 1
        self.was[was.value] += 1
        self.now[now.value] += 1
        self.changed += now not in {was, Outcome.CANNOT_TELL}

    def document(self) -> dict[str, Any]:
        """Return the counts, those that are zero left out."""
        return {
            "assets": self.assets,
            "changed": self.changed,
            "was": dict(sorted(self.was.items())),
            "now": dict(sorted(self.now.items())),
        }


@dataclass(slots=True)
class Tally:
    """The counts of one backtest while its images go by."""

    rules_for: RulesFor
    whole: _Group = field(default_factory=_Group)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    scorers: dict[str, _Group] = field(default_factory=dict)
    doubts: Counter[tuple[str, str]] = field(default_factory=Counter)
    markets: dict[str, _Group] = field(default_factory=dict)
    templates: dict[str, _Group] = field(default_factory=dict)
    template_names: dict[str, str] = field(default_factory=dict)
    heard: Counter[str] = field(default_factory=Counter)
    against: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)
    newest: str = ""
    oldest: str = ""

    def add(self, image: PastImage) -> None:
        """Judge one image as it was and as it would be, and count it."""
        recorded = {score.scorer: Outcome(score.verdict) for score in image.asset.scores}
        said = rejudge(image.asset.scores, self.rules_for(image.market, image.template))
        was = overall(recorded.values())
        now = overall(each.outcome for each in said.values())
        for scorer, each in said.items():
            if scorer in recorded:
                self.scorers.setdefault(scorer, _Group()).add(recorded[scorer], each.outcome)
            if each.doubt is not None:
                self.doubts[scorer, each.doubt.value] += 1
        self.whole.add(was, now)
        self.moves[was.value, now.value] += 1
        self.markets.setdefault(image.market, _Group()).add(was, now)
        self.templates.setdefault(image.template, _Group()).add(was, now)
        self.template_names.setdefault(image.template, image.template_name)
        self.newest = self.newest or image.asset.made_at.isoformat()
        self.oldest = image.asset.made_at.isoformat()
        self._compare(image, was, now)

    def _compare(self, image: PastImage, was: Outcome, now: Outcome) -> None:
        """Hold what would be said against what people said, and keep a few images to look at."""
        settled = _settled(image)
        self.heard[settled or "undecided"] += 1
        if settled == "approved" and now in _STOPS:
            self._keep(f"approved_now_{now.value}", image, count=True)
        if settled == "rejected" and now is Outcome.PASS:
            self._keep("rejected_now_pass", image, count=True)
        if Outcome.CANNOT_TELL not in {was, now} and now is not was:
            self._keep("stricter" if _RANK[now] > _RANK[was] else "milder", image)

    def _keep(self, name: str, image: PastImage, *, count: bool = False) -> None:
        self.against[name] += count
        kept = self.samples.setdefault(name, [])
        if len(kept) < MAX_SAMPLES:
            kept.append(str(image.asset.id))

    def document(self) -> dict[str, Any]:
        """Return everything that was counted."""
        return {
            "whole": self.whole.document(),
            "from": self.oldest,
            "to": self.newest,
            "moves": [
                {"was": was, "now": now, "assets": count}
                for (was, now), count in sorted(self.moves.items())
            ],
            "scorers": self._scorers(),
            "markets": _largest(self.markets, "market"),
            "templates": [
                {**each, "name": self.template_names[each["template"]]}
                if each["template"] in self.template_names
                else each
                for each in _largest(self.templates, "template")
            ],
            "people": {
                "approved": self.heard["approved"],
                "rejected": self.heard["rejected"],
                "undecided": self.heard["undecided"],
                "approved_now_hold": self.against["approved_now_hold"],
                "approved_now_refuse": self.against["approved_now_refuse"],
                "rejected_now_pass": self.against["rejected_now_pass"],
            },
            "samples": dict(sorted(self.samples.items())),
        }

    def _scorers(self) -> list[dict[str, Any]]:
        names = sorted({*self.scorers, *(scorer for scorer, _ in self.doubts)})
        return [
            {
                "scorer": name,
                **self.scorers.get(name, _Group()).document(),
                "cannot_tell": {
                    doubt: count
                    for (scorer, doubt), count in sorted(self.doubts.items())
                    if scorer == name
                },
            }
            for name in names
        ]


def _settled(image: PastImage) -> str:
    """Return what people decided: how the review ended, or the first word in one that is open."""
    heard = image.heard
    if heard is None or heard.is_emergency:
        return ""
    if heard.state == "open" and heard.first_verdict is not None:
        return "approved" if heard.first_verdict in APPROVING else "rejected"
    return _SETTLED.get(heard.state, "")


def tally(images: Iterable[PastImage], rules_for: RulesFor) -> dict[str, Any]:
    """Count what the rules would change about these images.

    `rules_for(market, template slug)` gives the rules that apply to an image.
    """
    counted = Tally(rules_for)
    for image in images:
        counted.add(image)
    return counted.document()


def _largest(groups: Mapping[str, _Group], name: str) -> list[dict[str, Any]]:
    """Return the groups with the most images first; what is beyond the limit is one group."""
    ordered = sorted(groups.items(), key=lambda each: (-each[1].assets, each[0]))
    rest = _Group()
    for _, group in ordered[MAX_GROUPS:]:
        rest.assets += group.assets
        rest.changed += group.changed
        rest.was += group.was
        rest.now += group.now
    found = [{name: key, **group.document()} for key, group in ordered[:MAX_GROUPS]]
    return found if not rest.assets else [*found, {name: "*", **rest.document()}]
