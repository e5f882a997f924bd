"""What an engine is asked for and what it gives back; both are frozen, and a spec is valid."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
PREPROCESSORS: Final = ("edges/1",)


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
class ControlRef:
    """One ControlNet, the picture that it follows, and how closely: above 0, up to 2.

    `image` is the bytes of an image file; the engine turns it into a map by `preprocessor`.
    Raises: InvalidInput, naming the field and the rule.
    """

    folder: Path
    snapshot_sha256: str
    image: bytes = field(repr=False)
    image_sha256: str
    scale: float
    preprocessor: str = PREPROCESSORS[0]

    def __post_init__(self) -> None:
        """Refuse a control without its picture, or with another one than was named."""
        if not is_sha256(self.snapshot_sha256):
            raise _invalid("control", "The ControlNet's digest must be a SHA-256 in hex.", "sha256")
        if not self.image:
            raise _invalid("control", "A ControlNet needs a picture to follow.", "required")
        if sha256_hex(self.image) != self.image_sha256:
            raise _invalid("control", "The picture to follow is not the one named.", "sha256")
        if self.preprocessor not in PREPROCESSORS:
            raise _invalid(
                "control", f"The preprocessor must be one of {', '.join(PREPROCESSORS)}.", "choice"
            )
        _require_strength("control", self.scale, 0)


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides one image: the model's bytes, the words, the numbers, the device.

    `guidance` is how closely the words are followed: the scale of classifier-free guidance, which
    at 1 or below leaves the negative prompt without effect, or an input of a model that was
    distilled with one. `device` is "cpu", "cuda" or "cuda:N". `max_sequence_length` counts tokens
    of the family's longest text encoder; FLUX.2 counts the words that it puts around the prompt.
    `adapters` are worn in their order, which the last bits depend on.

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

    def __post_init__(self) -> None:
        """Refuse a spec that no engine could run."""
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
