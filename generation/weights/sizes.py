"""How much memory a model folder's weights take, told by the files' headers: nothing is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType

from generation.weights import headers
from governance.kernel.errors import DomainError

_FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
_OTHERS_BYTES: Mapping[str, int] = MappingProxyType(
    {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}
)
# What a floating-point number takes once it is loaded in a format.
DTYPE_BYTES: Mapping[str, int] = MappingProxyType({"float32": 4, "bfloat16": 2, "float16": 2})


class WeightsUnreadable(DomainError):
    """A file of weights does not say what is in it."""

    code = "weights_unreadable"


@dataclass(frozen=True, slots=True)
class PartSize:
    """One part of a pipeline: how many floating-point numbers it has, and bytes beside them."""

    numbers: int
    other_bytes: int = 0


def measure(folder: Path) -> Mapping[str, PartSize]:
    """Return the size of each part of a model folder that has weights, by its name.

    Weights that lie in the folder itself are the part "". Raises: WeightsUnreadable.
    """
    sizes: dict[str, PartSize] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        inside = path.relative_to(folder).parts
        part = inside[0] if len(inside) > 1 else ""
        before, more = sizes.get(part, PartSize(0)), _measure_file(path)
        sizes[part] = PartSize(before.numbers + more.numbers, before.other_bytes + more.other_bytes)
    return MappingProxyType(sizes)


def _measure_file(path: Path) -> PartSize:
    """Add up the tensors of one file."""
    numbers = other_bytes = 0
    try:
        for tensor in headers.read(path):
            if tensor.kind in _FLOATS:
                numbers += prod(tensor.shape)
            else:
                other_bytes += prod(tensor.shape) * _OTHERS_BYTES[tensor.kind]
    except (OSError, ValueError, KeyError) as error:
        raise WeightsUnreadable(
            f"'{path.name}' in '{path.parent}' cannot be read as a safetensors file. Copy it "
            "again.",
            folder=str(path.parent),
            cause=type(error).__name__,
        ) from error
    return PartSize(numbers, other_bytes)
