"""What an engine is asked for and what it gives back; both are frozen, and a spec is valid."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from governance.kernel.digests import is_sha256
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


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides one image: the model's bytes, the words, the numbers, the device.

    `guidance` is the classifier-free guidance scale; at 1 or below the negative prompt has no
    effect. `device` is "cpu", "cuda" or "cuda:N". `max_sequence_length` counts T5 tokens.

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
