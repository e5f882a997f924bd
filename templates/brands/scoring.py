"""The shape of a scoring policy's thresholds; pure: what is unreadable judges nothing."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from templates.brands import shapes

THRESHOLDS_SCHEMA = Path(__file__).with_name("thresholds.schema.json")


def threshold_problems(document: object, *, under: str = "") -> list[shapes.Problem]:
    """List what keeps a document from being thresholds."""
    found = shapes.problems(shapes.load(THRESHOLDS_SCHEMA), document, under=under)
    if found or not isinstance(document, Mapping):
        return found
    return [
        shapes.Problem(
            under + shapes.pointer_to(scorer, "threshold"), "type", "A threshold must be finite."
        )
        for scorer, rule in document.items()
        if not math.isfinite(rule["threshold"])
    ]


def thresholds_of(document: object) -> Mapping[str, Mapping[str, float | str]]:
    """Read thresholds from data: {scorer: {"threshold": number, "severity": "flag" | "refuse"}}.

    Raises: InvalidInput naming the field and the rule of its shape.
    """
    shapes.require(threshold_problems(document, under="/thresholds"))
    thresholds: Any = document
    return {
        scorer: {"threshold": float(rule["threshold"]), "severity": str(rule["severity"])}
        for scorer, rule in sorted(thresholds.items())
    }
