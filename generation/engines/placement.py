"""Where a model runs and in which number format, as stated; nothing is chosen silently."""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from generation.engines import handling
from generation.engines.errors import DeviceUnavailable
from generation.engines.handling import PLAIN, Handling, Setting

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# What quantises, by the setting that asks for it.
_LIBRARIES: Mapping[Setting, str] = {
    Setting.INT8_WEIGHTS: "torchao",
    Setting.INT8_DYNAMIC: "torchao",
    Setting.FP8_WEIGHTS: "torchao",
    Setting.FP8_DYNAMIC: "torchao",
    Setting.NF4: "bitsandbytes",
}
# The first cards that multiply 8-bit floating-point numbers, by CUDA's count.
_FP8_FROM = (8, 9)
_DEVICE = re.compile(r"cpu|cuda(:\d{1,2})?")


@dataclass(frozen=True)
class Placement:
    """A device and a number format that exist on this machine, and how the model is handled."""

    device: torch.device
    dtype: torch.dtype
    handling: Handling = PLAIN

    @property
    def library(self) -> str | None:
        """Return the library that the handling needs beside the usual ones."""
        return next((name for each, name in _LIBRARIES.items() if each in self.handling), None)

    @property
    def dtype_name(self) -> str:
        """Return the number format as specs and recipes call it."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def device_name(self) -> str:
        """Return what the hardware calls itself; a replay elsewhere may differ."""
        if self.device.type == "cuda":
            return str(torch.cuda.get_device_name(self.device))
        return "cpu"


def place(device: str, dtype: str, handled: str = str(PLAIN)) -> Placement:
    """Find the stated device and number format, and read how the model is handled.

    Raises: DeviceUnavailable; there is no fallback to another device, format or handling.
    """
    if not _DEVICE.fullmatch(device):
        raise DeviceUnavailable(
            f"The device '{device}' is not known. Use 'cpu', 'cuda' or 'cuda:0'.", device=device
        )
    if dtype not in _DTYPES:
        raise DeviceUnavailable(
            f"The number format '{dtype}' is not known. Use one of {', '.join(_DTYPES)}.",
            dtype=dtype,
        )
    found = torch.device(device)
    if found.type == "cuda":
        _require_cuda(found, dtype)
    elif dtype == "float16":
        raise DeviceUnavailable(
            "Half precision ('float16') is not run on a CPU. Use 'float32' or 'bfloat16' in the "
            "model profile.",
            device=device,
            dtype=dtype,
        )
    settings = handling.read(handled)
    placement = Placement(device=found, dtype=_DTYPES[dtype], handling=settings)
    _require_possible(placement)
    return placement


def _require_possible(placement: Placement) -> None:
    """Insist that the device and the installed libraries can do what the handling says."""
    settings, device, library = placement.handling, placement.device, placement.library
    impossible = settings.settings & handling.NEED_GRAPHICS
    if impossible and device.type != "cuda":
        raise DeviceUnavailable(
            f"The placement '{min(impossible)}' needs a graphics device; this worker renders on "
            f"'{device}'. Run the model on a worker with one, or give it another placement.",
            device=str(device),
            handling=str(settings),
        )
    if library and importlib.util.find_spec(library) is None:
        raise DeviceUnavailable(
            f"The placement '{settings}' needs the library '{library}', which is not installed "
            "here. Install it on this worker, or give the model another placement.",
            handling=str(settings),
            library=library,
        )
    if Setting.FP8_DYNAMIC in settings and torch.cuda.get_device_capability(device) < _FP8_FROM:
        raise DeviceUnavailable(
            f"The device '{device}' cannot calculate in 8-bit floating point. Give the model "
            "another placement.",
            device=str(device),
            handling=str(settings),
        )


def _require_cuda(device: torch.device, dtype: str) -> None:
    """Insist that the graphics device is there and knows the number format."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise DeviceUnavailable(
            f"The model needs the device '{device}', but this worker sees {count} graphics "
            "device(s). Start a worker on the right machine, or correct the model profile.",
            device=str(device),
        )
    if dtype == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise DeviceUnavailable(
            f"The device '{device}' cannot calculate in 'bfloat16'. Use 'float16' in the model "
            "profile.",
            device=str(device),
            dtype=dtype,
        )
