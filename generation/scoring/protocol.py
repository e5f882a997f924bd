"""What a scorer is, what it may look at and what it measures; it never decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from governance.kernel.errors import DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Direction = Literal["better", "worse"]


class ScorerUnavailable(DomainError):
    """A scorer's model is missing, changed or unusable, so it measures nothing."""

    code = "scorer_unavailable"


class Input(StrEnum):
    """What a scorer looks at; it declares each of them, and auditors read the list."""

    IMAGE = "image"
    PROMPT = "prompt"
    EMBEDDING = "embedding"
    PALETTE = "palette"
    WANTED_TEXT = "wanted_text"
    NEIGHBOURS = "neighbours"
    CONCEPTS = "concepts"


@dataclass(frozen=True, eq=False)
class Neighbour:
    """An image of the same brand that may be nearly the same one.

    `asset_id` is the id as text, `perceptual_hash` 64 bits as an unsigned number, `embedding` of
    unit length by the suite's encoder, or None where that asset has none by this encoder.
    """

    asset_id: str
    perceptual_hash: int
    embedding: "NDArray[np.float32] | None" = None


@dataclass(frozen=True)
class Concept:
    """What a brand does not want to see, in words: `prompts` show it, `against` what is near it."""

    name: str
    prompts: tuple[str, ...]
    against: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with all that a scorer may look at: never a person, never an id that could leak.

    `image` is RGB as `decode` gives it; `palette` the brand's colors as "#rrggbb"; `wanted_text`
    the words that must be legible in the image, None if there are none; `concepts` what the brand's
    scoring policy looks for. `embedding` and
    `text_embedding` (of the prompt's beginning, as far as the encoder reads; `prompt_is_cut` tells
    of the rest) are float32 of unit length by the encoder whose folder has the digest
    `encoder_sha256`; all None if the suite has no encoder.
    """

    image: "Image"
    prompt: str = ""
    palette: tuple[str, ...] = ()
    wanted_text: str | None = None
    neighbours: tuple[Neighbour, ...] = ()
    concepts: tuple[Concept, ...] = ()
    embedding: "NDArray[np.float32] | None" = None
    text_embedding: "NDArray[np.float32] | None" = None
    encoder_sha256: str | None = None
    prompt_is_cut: bool = False


@dataclass(frozen=True)
class Measurement:
    """One number about one image, and what stands behind it.

    `evidence` is JSON: numbers, words, flat mappings of numbers, never the prompt or anything about
    a person. Screens draw the keys that are reserved:
    `boxes` = [{x, y, width, height (shares of the image, 0..1), label, score}],
    `heat` = {rows, columns, values (row by row, 0..1)},
    `colors` = [{hex, share, nearest, delta_e}], `words` = {wanted, read, missing},
    `duplicate` = {asset_id, distance, similarity}. Any other key is a fact to be written out.
    """

    value: float
    evidence: Mapping[str, object] = field(default_factory=dict)


class Scorer(Protocol):
    """Measures one property of images.

    `version` changes when the same image would give another value by a change of code;
    `weights_sha256` is the digest of the model folder, None for a formula. `higher_is` tells the
    good end of `range`, whose ends are part of it (infinity where there is none). `cost_ms` is
    declared: milliseconds for one image of 256 px on one CPU core.
    """

    @property
    def id(self) -> str:
        """Name the scorer as scoring policies do: a-z, 0-9 and _, at most 60 characters."""
        ...

    @property
    def title(self) -> str:
        """Say in a few plain words what is measured."""
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

    @property
    def inputs(self) -> frozenset[Input]:
        """List what the scorer looks at."""
        ...

    @property
    def cost_ms(self) -> float:
        """Return the declared milliseconds for one image of 256 px on one CPU core."""
        ...

    def score(self, samples: Sequence[Sample]) -> Sequence[Measurement]:
        """Measure samples: one measurement each, in the same order, whatever else is in the group.

        A model sees one image in each forward pass, as a batch changes the last bits of a value.
        Raises: anything; the suite records it for the sample, and the item is held.
        """
        ...


@runtime_checkable
class Loads(Protocol):
    """A scorer with a model that takes a while to load: asked for it before its clock starts."""

    def load(self) -> None:
        """Load the model once; a second call does nothing. Raises: anything, as in `score`."""
        ...


@dataclass(frozen=True)
class ScorerEntry:
    """A scorer with a model, as a manifest or profile lists it.

    `kind` is the name of an entry point; `folder` is relative to the manifest's own; `settings`
    are the kind's own; `id` is the scorer's if two of one kind stand side by side.
    """

    kind: str
    folder: str
    snapshot_sha256: str
    licence: str
    settings: Mapping[str, object] = field(default_factory=dict)
    id: str | None = None

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
