"""A handling is one text, complete and owned up to; what this machine cannot do is refused."""

import importlib.util

import pytest
import torch

from generation.engines import handling
from generation.engines.errors import DeviceUnavailable
from generation.engines.handling import NEED_GRAPHICS, OTHER_BITS, Setting, read
from generation.engines.placement import place
from governance.kernel.errors import InvalidInput


def honest(setting: Setting) -> str:
    """Name a setting as a profile would that owns up to it."""
    return f"{setting}+own_bits" if setting in OTHER_BITS else str(setting)


class TestRead:
    @pytest.mark.parametrize("setting", sorted(set(Setting) - {Setting.OWN_BITS}))
    def test_reads_what_it_writes(self, setting: Setting) -> None:
        found = read(honest(setting))
        assert setting in found
        assert read(str(found)) == found

    def test_says_where_the_model_is_kept_also_if_nobody_did(self) -> None:
        assert str(read("vae_slicing")) == "resident+vae_slicing"

    def test_writes_one_text_whatever_the_order(self) -> None:
        assert str(read("own_bits+compile+ resident")) == str(read("compile+own_bits"))

    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("", "choice"),
            ("fast", "choice"),
            ("RESIDENT", "choice"),
            ("resident+resident", "unique"),
            ("resident+group_offload", "one_of"),
            ("int8_weights+fp8_dynamic+own_bits", "one_of"),
            ("first_block_cache+taylorseer_cache+own_bits", "one_of"),
            ("attention_math+attention_flash+own_bits", "one_of"),
            ("own_bits", "own_bits"),
            ("vae_slicing+own_bits", "own_bits"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, text: str, rule: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            read(text)
        assert (refused.value.pointer, refused.value.facts["rule"]) == ("/handling", rule)

    @pytest.mark.parametrize("setting", sorted(OTHER_BITS))
    def test_what_gives_other_bits_is_owned_up_to(self, setting: Setting) -> None:
        with pytest.raises(InvalidInput, match="gives other bits than the plain model"):
            read(setting)
        assert Setting.OWN_BITS in read(f"{setting}+own_bits")

    def test_nothing_is_a_handling_without_a_place(self) -> None:
        with pytest.raises(InvalidInput, match="where the model is kept"):
            handling.Handling(frozenset({Setting.VAE_SLICING}))


class TestPlace:
    @pytest.mark.parametrize("setting", sorted(NEED_GRAPHICS))
    def test_refuses_on_a_cpu_what_needs_a_card(self, setting: Setting) -> None:
        with pytest.raises(DeviceUnavailable, match=f"'{setting}' needs a graphics device"):
            place("cpu", "float32", honest(setting))

    @pytest.mark.parametrize(
        ("text", "library"), [("nf4", "bitsandbytes"), ("fp8_weights", "torchao")]
    )
    def test_refuses_what_needs_a_library_that_is_not_there(
        self, text: str, library: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
        with pytest.raises(DeviceUnavailable, match=f"needs the library '{library}'"):
            place("cuda", "float32", f"{text}+own_bits")
        assert place("cuda", "float32").library is None

    def test_refuses_8_bit_sums_on_a_card_that_has_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 0))
        with pytest.raises(DeviceUnavailable, match="8-bit floating point"):
            place("cuda", "float32", "fp8_dynamic+own_bits")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))
        assert place("cuda", "float32", "fp8_dynamic+own_bits").library == "torchao"
