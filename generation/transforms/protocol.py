"""The one thing that a transform is: a step and pixels go in, the step's pixels come out.

A transform is a module with `NAME`, the name of its step, and `apply(step, pixels)`. It needs no
model: the same step and pixels give the same pixels. pixels: (height, width, 3), uint8, RGB.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from governance.kernel.errors import DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Each takes its own kind of step.
Apply: TypeAlias = "Callable[[Any, NDArray[np.uint8]], NDArray[np.uint8]]"


class TransformFailed(DomainError):
    """A transform is not there, or did not make what its step says; nothing uses its output."""

    code = "transform_failed"
