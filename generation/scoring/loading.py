"""What each scorer with a model of transformers does before its first image; nothing is assumed."""

import math
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from generation.scoring.protocol import ScorerUnavailable
from generation.weights import runtime, snapshot

Loaded = TypeVar("Loaded")


_COMMON = frozenset({"title", "cost_ms"})
_TITLE_MAX = 80


class Once(Generic[Loaded]):
    """Loads a model at its first use; after a failure the next use tries again."""

    def __init__(self, load: Callable[[], Loaded]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None

    def get(self) -> Loaded:
        """Return the model, loading it if nobody did. Raises: whatever loading raises."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded


def load_model(folder: Path, sha256: str, device: str, choose: Callable[[], Any]) -> Any:
    """Verify a model folder, load it from safetensors alone and insist on every weight.

    `choose` returns the class of transformers or diffusers; it is asked after the process is ready.

    Raises: SnapshotMissing, SnapshotChanged, UnsafeSnapshot; ScorerUnavailable if weights are
    missing or have another shape, where the library itself would only warn and use random ones.
    """
    snapshot.verify(folder, sha256)
    runtime.prepare_process()
    model, report = choose().from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    _require_every_weight(report, folder)
    return model.eval().to(device)


def _require_every_weight(report: Mapping[str, Any], folder: Path) -> None:
    """Refuse a model with weights that its folder did not give."""
    wrong = sorted(str(key) for name in ("missing_keys", "mismatched_keys") for key in report[name])
    if wrong:
        raise ScorerUnavailable(
            f"The model in '{folder}' lacks some of its weights ({len(wrong)} in all, the first is "
            f"'{wrong[0]}'). Copy it again.",
            folder=str(folder),
        )


def refuse_unknown(kind: str, settings: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse a setting that nobody reads: a misspelled one must not be left out silently.

    Raises: ScorerUnavailable.
    """
    unknown = sorted(set(settings) - set(known) - _COMMON)
    if unknown:
        raise ScorerUnavailable(
            f"A scorer of the kind '{kind}' has no setting '{unknown[0]}'. It has: "
            f"{', '.join(sorted({*known, *_COMMON}))}.",
            kind=kind,
        )


def read_title(settings: Mapping[str, object], usual: str) -> str:
    """Read the setting `title`: what is measured, in a few plain words.

    Raises: ScorerUnavailable if it is no text of 1 to 120 characters.
    """
    title = settings.get("title", usual)
    if not isinstance(title, str) or not 0 < len(title.strip()) <= _TITLE_MAX:
        raise ScorerUnavailable(
            f"The setting 'title' of a scorer is a text of 1 to {_TITLE_MAX} characters."
        )
    return title


def read_cost_ms(settings: Mapping[str, object], usual: float) -> float:
    """Read the setting `cost_ms`: declared milliseconds for one image on one CPU core.

    Raises: ScorerUnavailable if it is no finite number from 0 on.
    """
    cost = settings.get("cost_ms", usual)
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        raise ScorerUnavailable("The setting 'cost_ms' of a scorer is a number.")
    if not math.isfinite(cost) or cost < 0:
        raise ScorerUnavailable("The setting 'cost_ms' of a scorer is a number from 0 on.")
    return float(cost)
