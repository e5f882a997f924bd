"""What scorers said of an image, in words and pictures: the failing rule first, evidence with it.

Evidence is what a scorer wrote down; its shape is trusted no further than each drawing needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord, ScoreRecord
from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from imprimatur.web import words

RESERVED = frozenset({"boxes", "heat", "colors", "words", "duplicate", "left_out", "licence"})
MAX_FACTS = 12
_FIRST = {"refuse": 0, "hold": 1, "flag": 2, "pass": 3}


def twins_of(actor: Actor, shown: Iterable[AssetRecord]) -> dict[UUID, AssetRecord]:
    """Return the images that scores name as nearly the same, if the actor may see them."""
    named = {
        twin for asset in shown for score in asset.scores for twin in [_twin_id(score)] if twin
    }
    return assets.find_assets(actor, named) if named else {}


def of(asset: AssetRecord, twins: Mapping[UUID, AssetRecord]) -> list[dict[str, Any]]:
    """Return an asset's scores, the strictest verdict first, each with its evidence to draw."""
    ordered = sorted(asset.scores, key=lambda each: (_FIRST.get(each.verdict, 0), each.scorer))
    return [_finding(score, number, asset, twins) for number, score in enumerate(ordered, 1)]


def _finding(
    score: ScoreRecord, number: int, asset: AssetRecord, twins: Mapping[UUID, AssetRecord]
) -> dict[str, Any]:
    evidence = score.evidence
    boxes = [_box(each, asset) for each in _list(evidence, "boxes") if _is_box(each)]
    heat = _heat(evidence.get("heat"))
    return {
        "number": number,
        "name": name_of(score),
        "value": score.value,
        "share": share_of(score, score.value),
        "limit_share": share_of(score, score.threshold),
        "limit": limit_of(score),
        "range": _range(score),
        "verdict": score.verdict,
        "reason": score.reason,
        "who": _who(score.verdict),
        "version": score.version,
        "took_ms": score.took_ms,
        "boxes": boxes,
        "heat": heat,
        "is_drawn": bool(boxes or heat),
        "is_failing": score.verdict != "pass",
        "colors": [_color(each) for each in _list(evidence, "colors") if _is_color(each)],
        "words": _words(evidence.get("words")),
        "duplicate": _duplicate(score, twins),
        "facts": _facts(evidence),
        "left_out": [str(name) for name in _list(evidence, "left_out")],
    }


def name_of(score: ScoreRecord) -> str:
    """Return a scorer's name: ours in the reader's language, a plug-in's own otherwise."""
    if score.scorer in words.SCORERS or not score.title:
        return words.scorer(score.scorer)
    return score.title


def limit_of(score: ScoreRecord) -> str:
    """Return what the score must keep to, by the direction that was recorded with it."""
    if score.threshold is None or not score.higher_is:
        return words.limit(score.scorer, score.threshold)
    return f"{'≥' if score.higher_is == 'better' else '<'} {score.threshold:.2f}"


def share_of(score: ScoreRecord, value: float | None) -> float | None:
    """Return where a value lies on the scorer's bar, 0..1; an open end is twice the threshold."""
    if value is None:
        return None
    low, high = score.low, score.high
    if low is None and high is None:
        return words.share(score.scorer, value, score.threshold)
    low = 0.0 if low is None else low
    if high is None:
        high = 2 * max(score.threshold or 0.0, low)
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else None


def _range(score: ScoreRecord) -> str:
    if score.low is None and score.high is None:
        return ""
    ends = ["∞" if end is None else f"{end:g}" for end in (score.low, score.high)]
    return f"{ends[0]} – {ends[1]}"


def _who(verdict: str) -> str:
    if verdict == "refuse":
        return _("Only a %(role)s may override this.") % {
            "role": words.role(Role.COMPLIANCE_REVIEWER)
        }
    if verdict == "hold":
        return _("A %(role)s decides whether it goes on.") % {
            "role": words.role(Role.COMPLIANCE_REVIEWER)
        }
    return _("Whoever reviews it weighs this.") if verdict == "flag" else ""


def _box(box: Mapping[str, Any], asset: AssetRecord) -> dict[str, Any]:
    return {
        "x": f"{float(box['x']) * asset.width_px:.1f}",
        "y": f"{float(box['y']) * asset.height_px:.1f}",
        "width": f"{float(box['width']) * asset.width_px:.1f}",
        "height": f"{float(box['height']) * asset.height_px:.1f}",
        "label": str(box.get("label", "")).replace("_", " "),
        "score": box.get("score") if _is_number(box.get("score")) else None,
        "where": _("%(x)s %% from the left, %(y)s %% from the top")
        % {"x": round(100 * float(box["x"])), "y": round(100 * float(box["y"]))},
    }


def _is_box(box: object) -> bool:
    return isinstance(box, Mapping) and all(
        _is_number(box.get(side)) and 0 <= box[side] <= 1 for side in ("x", "y", "width", "height")
    )


def _heat(heat: object) -> dict[str, Any] | None:
    """Return a grid of shares, and where it is hottest in words."""
    if not isinstance(heat, Mapping):
        return None
    rows, columns, values = heat.get("rows"), heat.get("columns"), heat.get("values")
    if not (isinstance(rows, int) and isinstance(columns, int) and isinstance(values, Sequence)):
        return None
    if rows < 1 or columns < 1 or len(values) != rows * columns or not all(map(_is_number, values)):
        return None
    hottest = max(range(len(values)), key=values.__getitem__)
    return {
        "rows": rows,
        "columns": columns,
        "values": [min(max(float(value), 0.0), 1.0) for value in values],
        "where": _("hottest %(x)s %% from the left, %(y)s %% from the top")
        % {
            "x": round(100 * (hottest % columns + 0.5) / columns),
            "y": round(100 * (hottest // columns + 0.5) / rows),
        },
    }


def _is_color(color: object) -> bool:
    return isinstance(color, Mapping) and all(
        isinstance(color.get(key), str) and words.is_hex(color[key]) for key in ("hex", "nearest")
    )


def _color(color: Mapping[str, Any]) -> dict[str, Any]:
    share, delta_e = color.get("share"), color.get("delta_e")
    return {
        "hex": color["hex"],
        "nearest": color["nearest"],
        "percent": round(100 * share) if _is_number(share) else None,
        "delta_e": delta_e if _is_number(delta_e) else None,
    }


def _words(found: object) -> dict[str, str] | None:
    if not isinstance(found, Mapping):
        return None
    return {key: _said(found.get(key)) for key in ("wanted", "read", "missing")}


def _said(value: object) -> str:
    if isinstance(value, str):
        return value
    return " ".join(map(str, value)) if isinstance(value, Sequence) else ""


def _duplicate(score: ScoreRecord, twins: Mapping[UUID, AssetRecord]) -> dict[str, Any] | None:
    found = score.evidence.get("duplicate")
    if not isinstance(found, Mapping):
        return None
    twin = twins.get(_twin_id(score) or UUID(int=0))
    return {
        "image": None
        if twin is None
        else {
            "id": twin.id,
            "job_id": twin.job_id,
            "width_px": twin.width_px,
            "height_px": twin.height_px,
        },
        "distance": found.get("distance"),
        "similarity": found.get("similarity") if _is_number(found.get("similarity")) else None,
    }


def _twin_id(score: ScoreRecord) -> UUID | None:
    found = score.evidence.get("duplicate")
    try:
        return UUID(str(found["asset_id"])) if isinstance(found, Mapping) else None
    except (KeyError, ValueError):
        return None


def _facts(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what else stands in the evidence, flat: a name and a number or word each."""
    flat: list[tuple[str, object]] = []
    for key, value in evidence.items():
        if key in RESERVED:
            continue
        if isinstance(value, Mapping):
            flat += [(f"{key}: {inner}", each) for inner, each in value.items()]
        elif not isinstance(value, list | tuple):
            flat.append((key, value))
    return [
        {"name": name.replace("_", " "), "text": f"{each:.4g}" if _is_number(each) else str(each)}
        for name, each in flat[:MAX_FACTS]
    ]


def _list(evidence: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = evidence.get(key)
    return found if isinstance(found, list | tuple) else ()


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
