"""What a safetensors file says of itself: names, formats and shapes, without its numbers."""

import json
from dataclasses import dataclass
from pathlib import Path

# A header lists thousands of tensors at most; what claims more is no weight file.
_HEADER_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as its file's header states it; `kind` is the format's own word, such as BF16."""

    name: str
    kind: str
    shape: tuple[int, ...]


def read(path: Path) -> tuple[Tensor, ...]:
    """Return what a file's header lists. Raises: OSError; ValueError if it is none."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        text = file.read(min(size, _HEADER_MAX_BYTES))
    try:
        return tuple(
            Tensor(str(name), str(entry["dtype"]), tuple(int(side) for side in entry["shape"]))
            for name, entry in json.loads(text).items()
            if name != "__metadata__"
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no list of tensors: {type(error).__name__}") from error
