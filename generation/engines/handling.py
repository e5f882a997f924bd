"""How a model is kept and calculated: named settings in one text, and nothing that is not said.

A text such as "group_offload+vae_tiling+own_bits" stands in a model profile, in a recipe and in a
spec. Settings that give other bits than the plain model need `own_bits` beside them: whoever
approves the profile then reads that its images are its own.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from generation.weights.sizes import DTYPE_BYTES
from governance.kernel.errors import InvalidInput


class Setting(StrEnum):
    """One named way of keeping or calculating a model."""

    RESIDENT = "resident"
    MODEL_OFFLOAD = "model_offload"
    GROUP_OFFLOAD = "group_offload"
    VAE_SLICING = "vae_slicing"
    VAE_TILING = "vae_tiling"
    INT8_WEIGHTS = "int8_weights"
    INT8_DYNAMIC = "int8_dynamic"
    FP8_WEIGHTS = "fp8_weights"
    FP8_DYNAMIC = "fp8_dynamic"
    NF4 = "nf4"
    COMPILE = "compile"
    FIRST_BLOCK_CACHE = "first_block_cache"
    TAYLORSEER_CACHE = "taylorseer_cache"
    ATTENTION_MATH = "attention_math"
    ATTENTION_EFFICIENT = "attention_efficient"
    ATTENTION_FLASH = "attention_flash"
    ATTENTION_CUDNN = "attention_cudnn"
    OWN_BITS = "own_bits"


OFFLOADS: Final = frozenset({Setting.MODEL_OFFLOAD, Setting.GROUP_OFFLOAD})
QUANTISED: Final = frozenset(
    {
        Setting.INT8_WEIGHTS,
        Setting.INT8_DYNAMIC,
        Setting.FP8_WEIGHTS,
        Setting.FP8_DYNAMIC,
        Setting.NF4,
    }
)
STEP_CACHES: Final = frozenset({Setting.FIRST_BLOCK_CACHE, Setting.TAYLORSEER_CACHE})
ATTENTIONS: Final = frozenset(each for each in Setting if each.startswith("attention_"))
# Of each of these a handling has one at most.
_ONE_OF: Final = (OFFLOADS | {Setting.RESIDENT}, QUANTISED, STEP_CACHES, ATTENTIONS)
OTHER_BITS: Final = QUANTISED | STEP_CACHES | ATTENTIONS | {Setting.VAE_TILING, Setting.COMPILE}
NEED_GRAPHICS: Final = OFFLOADS | {
    Setting.FP8_WEIGHTS,
    Setting.FP8_DYNAMIC,
    Setting.NF4,
    Setting.ATTENTION_EFFICIENT,
    Setting.ATTENTION_CUDNN,
}
# These change or wrap the layers that a look is put on; that it then acts fully is not shown.
WEAR_NOTHING: Final = QUANTISED | STEP_CACHES | OFFLOADS | {Setting.COMPILE}
# These hang on the pipeline itself, not on its parts, so a sibling over the same parts lacks them.
ALONE: Final = STEP_CACHES | {Setting.MODEL_OFFLOAD}
# The one part that is quantised, compiled and cached: it is the largest, and runs at every step.
WORKHORSE: Final = "transformer"
# NF4 keeps half a byte a number, and a scale for each 64 of them.
_NF4_BYTES = 0.5625


@dataclass(frozen=True, slots=True)
class Handling:
    """The settings of one model; valid, and always with one that says where it is kept.

    Raises: InvalidInput, naming the settings.
    """

    settings: frozenset[Setting] = frozenset({Setting.RESIDENT})

    def __post_init__(self) -> None:
        """Refuse settings that exclude each other, or that are not owned up to."""
        for rivals in _ONE_OF:
            chosen = self.settings & rivals
            if len(chosen) > 1:
                raise _invalid(f"Choose one of {_list(chosen)}.", "one_of")
        if not self.settings & _ONE_OF[0]:
            raise _invalid("State where the model is kept, such as 'resident'.", "required")
        changing = self.settings & OTHER_BITS
        if changing and Setting.OWN_BITS not in self.settings:
            raise _invalid(
                f"{_list(changing)} gives other bits than the plain model. Say so: add 'own_bits'.",
                "own_bits",
            )
        if not changing and Setting.OWN_BITS in self.settings:
            raise _invalid("Nothing here gives other bits: leave 'own_bits' out.", "own_bits")

    def __str__(self) -> str:
        """Return the one text of these settings, in the order of `Setting`."""
        return "+".join(each for each in Setting if each in self.settings)

    def __contains__(self, setting: Setting) -> bool:
        """Tell whether a setting is on."""
        return setting in self.settings

    @property
    def is_offloaded(self) -> bool:
        """Tell whether weights wait in the machine's memory and not on the device."""
        return bool(self.settings & OFFLOADS)

    def chosen(self, among: frozenset[Setting]) -> Setting | None:
        """Return the setting that is on among ones of which there is one at most."""
        return next(iter(self.settings & among), None)

    def bytes_a_number(self, part: str, dtype: str) -> float:
        """Return what a number of a part's weights takes.

        >>> read("resident+int8_weights+own_bits").bytes_a_number("transformer", "bfloat16")
        1.0
        >>> read("resident").bytes_a_number("transformer", "bfloat16")
        2.0
        """
        if part != WORKHORSE or not self.settings & QUANTISED:
            return float(DTYPE_BYTES[dtype])
        return _NF4_BYTES if Setting.NF4 in self.settings else 1.0


PLAIN: Final = Handling()


def read(text: str) -> Handling:
    """Read the text of a handling; `resident` may be left out. Raises: InvalidInput.

    >>> str(read("vae_tiling+own_bits"))
    'resident+vae_tiling+own_bits'
    """
    words = [word.strip() for word in text.split("+")]
    unknown = sorted(set(words) - set(Setting))
    if unknown:
        raise _invalid(f"'{unknown[0]}' is no placement. There is: {', '.join(Setting)}.", "choice")
    if len(set(words)) != len(words):
        raise _invalid("Name each setting once.", "unique")
    settings = frozenset(Setting(word) for word in words)
    return Handling(settings if settings & _ONE_OF[0] else settings | {Setting.RESIDENT})


def _list(settings: frozenset[Setting]) -> str:
    return ", ".join(f"'{each}'" for each in Setting if each in settings)


def _invalid(detail: str, rule: str) -> InvalidInput:
    return InvalidInput(detail, pointer="/handling", rule=rule)
