"""Scorers that many use, as data: what to put into the folder, with which settings, which cautions.

No digest stands here: an installation pins the files that it has, and its people approve those.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.scoring.protocol import ScorerUnavailable

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Convention:
    """A scorer as it is usually run; `start_with` is a rule to begin with, before calibration."""

    name: str
    kind: str
    scorer: str
    title: str
    model: str
    files: tuple[str, ...]
    licence: str
    settings: Mapping[str, Any]
    needs: str
    start_with: Mapping[str, Any]
    cautions: tuple[str, ...]


def list_names() -> tuple[str, ...]:
    """List the names of all conventions, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def read(name: str) -> Convention:
    """Read one convention. Raises: ScorerUnavailable if there is none of that name."""
    if name not in list_names():
        raise ScorerUnavailable(
            f"There is no convention named '{name}'. There is: {', '.join(list_names())}."
        )
    data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for field in ("files", "cautions"):
        data[field] = tuple(data[field])
    return Convention(name=name, **data)
