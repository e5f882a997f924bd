"""The stated device is used or refused; nothing else is tried."""

import pytest
import torch

from generation.engines.errors import DeviceUnavailable
from generation.engines.placement import place


class TestPlace:
    def test_finds_the_cpu(self) -> None:
        found = place("cpu", "bfloat16")
        assert (found.device, found.dtype) == (torch.device("cpu"), torch.bfloat16)
        assert found.device_name == "cpu"

    def test_does_not_fall_back_to_the_cpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(DeviceUnavailable, match=r"sees 0 graphics device\(s\)"):
            place("cuda", "float32")

    def test_refuses_a_card_beyond_the_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        with pytest.raises(DeviceUnavailable, match="sees 2"):
            place("cuda:2", "float32")
        assert place("cuda:1", "float32").device.index == 1

    def test_refuses_a_format_that_the_card_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
        with pytest.raises(DeviceUnavailable, match="bfloat16"):
            place("cuda", "bfloat16")

    @pytest.mark.parametrize("device", ["auto", "mps", "cuda:x", "CPU", "cpu:0", ""])
    def test_refuses_an_unknown_device(self, device: str) -> None:
        with pytest.raises(DeviceUnavailable, match="is not known"):
            place(device, "float32")

    def test_refuses_half_precision_on_a_cpu(self) -> None:
        with pytest.raises(DeviceUnavailable, match="Half precision"):
            place("cpu", "float16")
