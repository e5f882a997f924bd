"""What a scorer is and what it measures; a scorer gives a number and never decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from governance.kernel.errors import DomainError

if TYPE_CHECKING:
    from PIL.Image import Image

Direction = Literal["better", "worse"]


class ScorerUnavailable(DomainError):
    """A scorer's model is missing, changed or unusable, so it measures nothing."""

    code = "scorer_unavailable"


@dataclass(frozen=True)
class Measurement:
    """One number about one image, and what stands behind it.

    `evidence` holds plain numbers and labels, never the prompt or anything about a person.
    """

    value: float
    evidence: Mapping[str, object] = field(default_factory=dict)


class Scorer(Protocol):
    """Measures one property of an image.

    `version` changes when the same image would give another value by a change of code;
    `weights_sha256` is the digest of the model folder, None for a formula. `higher_is` tells the
    good end of `range`, whose ends are part of it (infinity where there is none).
    """

    @property
    def id(self) -> str:
        """Name the scorer as scoring policies do."""
        ...

    @property
    def version(self) -> str:
        """Return the version of the measuring code."""
        ...

    @property
    def weights_sha256(self) -> str | None:
        """Return the digest of the model folder, None for a formula."""
        ...

    @property
    def licence(self) -> str:
        """Return the SPDX identifier or name of the licence of the weights or the formula."""
        ...

    @property
    def higher_is(self) -> Direction:
        """Tell which end of the range is the good one."""
        ...

    @property
    def range(self) -> tuple[float, float]:
        """Return the lowest and highest possible value."""
        ...

    def score(self, image: "Image", prompt: str) -> Measurement:
        """Measure an RGB image that was made for `prompt`.

        Raises: anything; the suite records it, and the item is held.
        """
        ...


@dataclass(frozen=True)
class ScorerEntry:
    """A scorer with a model, as a manifest or profile lists it.

    `folder` is relative to the manifest's own; `settings` are the kind's own.
    """

    kind: str
    folder: str
    snapshot_sha256: str
    licence: str
    settings: Mapping[str, object] = field(default_factory=dict)

    def resolve(self, root: Path) -> Path:
        """Return the model folder, which must lie inside `root`.

        Raises: ScorerUnavailable if it does not.
        """
        path = (root / self.folder).resolve()
        if not path.is_relative_to(root.resolve()) or path == root.resolve():
            raise ScorerUnavailable(
                f"The scorer '{self.kind}' names the folder '{self.folder}', which is not inside "
                "of its pack.",
                kind=self.kind,
            )
        return path
