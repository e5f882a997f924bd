"""Where a model runs and in which number format, as stated; nothing is chosen silently."""

import re
from dataclasses import dataclass

import torch

from generation.engines.errors import DeviceUnavailable

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_DEVICE = re.compile(r"cpu|cuda(:\d{1,2})?")


@dataclass(frozen=True)
class Placement:
    """A device and a number format that exist on this machine."""

    device: torch.device
    dtype: torch.dtype

    @property
    def device_name(self) -> str:
        """Return what the hardware calls itself; a replay elsewhere may differ."""
        if self.device.type == "cuda":
            return str(torch.cuda.get_device_name(self.device))
        return "cpu"


def place(device: str, dtype: str) -> Placement:
    """Find the stated device and number format.

    Raises: DeviceUnavailable; there is no fallback to another device or format.
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
    return Placement(device=found, dtype=_DTYPES[dtype])


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
