"""What an engine is asked for and what it gives back; both are frozen, and a spec is valid."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from generation.engines.handling import PLAIN
from generation.engines.handling import read as read_handling
from governance.kernel.digests import is_sha256, sha256_hex
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE_STEP_PX: Final = 16
SIDE_MIN_PX: Final = 64
SIDE_MAX_PX: Final = 2048
AREA_MAX_PX: Final = 4 * 1024 * 1024
STEPS_MAX: Final = 150
GUIDANCE_MAX: Final = 30.0
SEED_MAX: Final = 2**63 - 1
SEQUENCE_LENGTH_MAX: Final = 512
DTYPES: Final = ("float32", "bfloat16", "float16")
ADAPTERS_MAX: Final = 4
WEIGHT_MAX: Final = 2.0
REFERENCES_MAX: Final = 4
# How a picture becomes the map that a ControlNet follows; an order that names none gets the first.
PREPROCESSORS: Final = ("edges/1", "depth/1", "segmentation/1")
# Those that look through a model of their own.
ESTIMATING: Final = frozenset({"depth/1", "segmentation/1"})


@dataclass(frozen=True)
class AdapterRef:
    """One LoRA that the model wears, by its files' digest, and how strongly: -2 to 2, not 0.

    Raises: InvalidInput, naming the field and the rule.
    """

    folder: Path
    snapshot_sha256: str
    weight: float

    def __post_init__(self) -> None:
        """Refuse an adapter that no engine could put on."""
        if not is_sha256(self.snapshot_sha256):
            raise _invalid("adapters", "The adapter's digest must be a SHA-256 in hex.", "sha256")
        _require_strength("adapters", self.weight, -WEIGHT_MAX)


@dataclass(frozen=True)
class EstimatorRef:
    """The model that a preprocessor looks through, by its files' digest.

    Raises: InvalidInput, naming the field and the rule.
    """

    folder: Path
    snapshot_sha256: str

    def __post_init__(self) -> None:
        """Refuse a model without a digest."""
        if not is_sha256(self.snapshot_sha256):
            raise _invalid("estimator", "The model's digest must be a SHA-256 in hex.", "sha256")


@dataclass(frozen=True)
class PictureRef:
    """One picture that came from a person or an asset: the bytes of an image file.

    Raises: InvalidInput, naming the field and the rule.
    """

    image: bytes = field(repr=False)
    image_sha256: str

    def __post_init__(self) -> None:
        """Refuse a picture that is not the one named."""
        _require_named("picture", self.image, self.image_sha256)


@dataclass(frozen=True)
class BoxMask:
    """A mask that is one box, painted anew: edges as shares of the picture's width and height.

    Raises: InvalidInput, naming the field and the rule.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        """Refuse a box outside of the picture, or one without an inside."""
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise _invalid(
                "source/mask",
                "The box must lie within the picture: left before right and top before bottom, "
                "each from 0 to 1.",
                "range",
            )


@dataclass(frozen=True)
class SegmentMask:
    """A mask that is everything of one kind, painted anew: `label` is one of the model's classes.

    Raises: InvalidInput, naming the field and the rule.
    """

    estimator: EstimatorRef
    label: str

    def __post_init__(self) -> None:
        """Refuse a kind without a name."""
        if not self.label:
            raise _invalid("source/mask", "Name the kind of thing to paint anew.", "required")


@dataclass(frozen=True)
class SourceRef:
    """The picture to start from, and how far to leave it: above 0, up to 1, which leaves nothing.

    With a mask only its white part is painted anew and its black part is kept. A mask is a picture
    as large as this one, or is computed from this one.
    Raises: InvalidInput, naming the field and the rule.
    """

    image: bytes = field(repr=False)
    image_sha256: str
    strength: float
    mask: PictureRef | BoxMask | SegmentMask | None = None

    def __post_init__(self) -> None:
        """Refuse a picture that is not the one named, and a strength without an effect."""
        _require_named("source", self.image, self.image_sha256)
        if type(self.strength) is not float or not 0 < self.strength <= 1:
            raise _invalid(
                "source/strength", "The strength must be a number above 0, up to 1.", "range"
            )


@dataclass(frozen=True)
class ControlRef:
    """One ControlNet, the picture that it follows, and how closely: above 0, up to 2.

    `image` is the bytes of an image file; the engine turns it into a map by `preprocessor`, which
    may look through a model of its own, the `estimator`.
    Raises: InvalidInput, naming the field and the rule.
    """

    folder: Path
    snapshot_sha256: str
    image: bytes = field(repr=False)
    image_sha256: str
    scale: float
    preprocessor: str = PREPROCESSORS[0]
    estimator: EstimatorRef | None = None

    def __post_init__(self) -> None:
        """Refuse a control without its picture, or with another one than was named."""
        if not is_sha256(self.snapshot_sha256):
            raise _invalid("control", "The ControlNet's digest must be a SHA-256 in hex.", "sha256")
        _require_named("control", self.image, self.image_sha256)
        if self.preprocessor not in PREPROCESSORS:
            raise _invalid(
                "control", f"The preprocessor must be one of {', '.join(PREPROCESSORS)}.", "choice"
            )
        if (self.preprocessor in ESTIMATING) != (self.estimator is not None):
            needs = "looks through a model: name it" if self.estimator is None else "needs no model"
            raise _invalid("control", f"The preprocessor {self.preprocessor} {needs}.", "estimator")
        _require_strength("control", self.scale, 0)


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides one image: the model's bytes, the words, the numbers, the device.

    `guidance` is how closely the words are followed: the scale of classifier-free guidance, which
    at 1 or below leaves the negative prompt without effect, or an input of a model that was
    distilled with one. `device` is "cpu", "cuda" or "cuda:N". `max_sequence_length` counts tokens
    of the family's longest text encoder; FLUX.2 counts the words that it puts around the prompt.
    `adapters` are worn in their order, which the last bits depend on; `references` are looked at in
    theirs. A picture to start from, one to follow and pictures to look at exclude each other, as no
    pipeline here takes two of them. `handling` says how the model is kept and calculated, as a text
    of `handling.Setting`.

    Raises: InvalidInput, naming the field and the rule.
    """

    folder: Path
    snapshot_sha256: str
    pipeline: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    max_sequence_length: int
    device: str
    dtype: str
    adapters: tuple[AdapterRef, ...] = ()
    control: ControlRef | None = None
    source: SourceRef | None = None
    references: tuple[PictureRef, ...] = ()
    handling: str = str(PLAIN)

    @property
    def steps_taken(self) -> int:
        """Return how many steps are run: a source keeps the first ones from being needed.

        The pipelines count so, in this order of operations.
        """
        if self.source is None:
            return self.steps
        return self.steps - int(max(self.steps - self.steps * self.source.strength, 0))

    def __post_init__(self) -> None:
        """Refuse a spec that no engine could run."""
        read_handling(self.handling)
        _require_side("width", self.width)
        _require_side("height", self.height)
        if self.width * self.height > AREA_MAX_PX:
            raise _invalid(
                "width", f"The image may have at most {AREA_MAX_PX} pixels.", "area_too_large"
            )
        _require_whole("steps", self.steps, 1, STEPS_MAX)
        _require_whole("seed", self.seed, 0, SEED_MAX)
        _require_whole("max_sequence_length", self.max_sequence_length, 1, SEQUENCE_LENGTH_MAX)
        if not math.isfinite(self.guidance) or not 0 <= self.guidance <= GUIDANCE_MAX:
            raise _invalid(
                "guidance", f"The guidance must lie between 0 and {GUIDANCE_MAX:g}.", "range"
            )
        if self.dtype not in DTYPES:
            raise _invalid(
                "dtype", f"The number format must be one of {', '.join(DTYPES)}.", "choice"
            )
        if not is_sha256(self.snapshot_sha256):
            raise _invalid(
                "snapshot_sha256", "The model's digest must be a SHA-256 in hex.", "sha256"
            )
        if not self.prompt.strip():
            raise _invalid("prompt", "The prompt must not be empty.", "required")
        if len(self.adapters) > ADAPTERS_MAX:
            raise _invalid("adapters", f"A model wears at most {ADAPTERS_MAX} adapters.", "range")
        if len({adapter.snapshot_sha256 for adapter in self.adapters}) != len(self.adapters):
            raise _invalid("adapters", "A model wears each adapter once.", "unique")
        self._require_pictures()

    def _require_pictures(self) -> None:
        """Refuse more pictures than a pipeline takes, and a start that leaves no step to run."""
        if len(self.references) > REFERENCES_MAX:
            raise _invalid(
                "references", f"A model looks at {REFERENCES_MAX} pictures at most.", "range"
            )
        given = {
            "source": self.source is not None,
            "control": self.control is not None,
            "references": bool(self.references),
        }
        if sum(given.values()) > 1:
            raise _invalid(
                next(name for name in given if given[name]),
                "An image starts from a picture, follows one, or has pictures to look at. Ask for "
                "one of these at a time.",
                "exclusive",
            )
        if self.steps_taken < 1:
            raise _invalid(
                "source/strength", "The strength is too small for a single step.", "range"
            )


@dataclass(frozen=True, eq=False)
class RunResult:
    """One image and the facts that a replay needs.

    pixels: (height, width, 3), uint8, RGB. `seconds` is the time of the render without loading.
    """

    pixels: "NDArray[np.uint8]"
    seconds: float
    facts: Mapping[str, str]

    @property
    def pixels_sha256(self) -> str:
        """Return the digest of the raw pixels in row order, which no encoder can change."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()


def require_sides_divide(spec: RunSpec, step_px: int) -> None:
    """Refuse a size that a model's patches do not fill. Raises: InvalidInput, naming the side."""
    for name, side in (("width", spec.width), ("height", spec.height)):
        if side % step_px:
            raise _invalid(
                name, f"The {name} must be a multiple of {step_px} for this model.", "multiple_of"
            )


def require_references(spec: RunSpec, most: int) -> None:
    """Refuse more pictures to look at than a model takes. Raises: InvalidInput."""
    if len(spec.references) > most:
        number = "one picture" if most == 1 else f"{most} pictures at most"
        raise _invalid("references", f"This model looks at {number}.", "range")


def _require_named(name: str, image: bytes, sha256: str) -> None:
    """Insist on a picture, and on the very one that was named."""
    if not image:
        raise _invalid(name, "There is no picture.", "required")
    if sha256_hex(image) != sha256:
        raise _invalid(name, "The picture is not the one named.", "sha256")


def _require_strength(name: str, value: float, least: float) -> None:
    """Insist on a number that has an effect and does not destroy the image."""
    if type(value) is not float or not least <= value <= WEIGHT_MAX or value == 0:
        raise _invalid(
            name,
            f"How strongly it acts must be a number from {least:g} to {WEIGHT_MAX:g}, and not 0.",
            "range",
        )


def _require_side(field: str, value: int) -> None:
    """Insist that a side is in range and a multiple of what latents and patches divide by."""
    _require_whole(field, value, SIDE_MIN_PX, SIDE_MAX_PX)
    if value % SIDE_STEP_PX:
        raise _invalid(field, f"The {field} must be a multiple of {SIDE_STEP_PX}.", "multiple_of")


def _require_whole(field: str, value: int, least: int, most: int) -> None:
    """Insist on a whole number in a closed range; True and 1.0 are not numbers of steps."""
    if type(value) is not int or not least <= value <= most:
        name = field.replace("_", " ")
        raise _invalid(
            field, f"The {name} must be a whole number between {least} and {most}.", "range"
        )


def _invalid(field: str, detail: str, rule: str) -> InvalidInput:
    """Build the error for one field."""
    return InvalidInput(detail, pointer=f"/{field}", rule=rule)
