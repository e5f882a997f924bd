"""Engines are found by the pipeline class that they run."""

import sys
import types

import pytest

from generation.engines import registry
from generation.engines.errors import UnknownPipeline
from generation.engines.sd3 import StableDiffusion3Engine


class TestFind:
    def test_finds_the_engine_of_a_pipeline(self) -> None:
        assert isinstance(registry.find("StableDiffusion3Pipeline"), StableDiffusion3Engine)

    def test_shares_one_engine_in_a_process(self) -> None:
        found = registry.find("StableDiffusion3Pipeline")
        assert registry.find("StableDiffusion3Pipeline") is found

    def test_lists_what_there_is_when_asked_for_another(self) -> None:
        with pytest.raises(
            UnknownPipeline, match=r"There is one for: .*FluxPipeline, .*StableDiff"
        ):
            registry.find("StableCascadePipeline")


class TestDiscover:
    def test_refuses_two_modules_for_one_pipeline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        double = types.ModuleType("generation.engines.double")
        double.PIPELINE = "StableDiffusion3Pipeline"  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, double.__name__, double)
        info = [types.SimpleNamespace(name=f"generation.engines.{n}") for n in ("double", "sd3")]
        monkeypatch.setattr(registry.pkgutil, "iter_modules", lambda *_: info)
        with pytest.raises(ValueError, match="both run StableDiffusion3Pipeline"):
            registry.discover.__wrapped__()
