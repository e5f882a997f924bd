"""The FLUX engine knows which of its family takes guidance, and refuses it to the others."""

from pathlib import Path
from typing import Any

import pytest

from generation.engines.flux import FluxEngine
from generation.engines.modes import Mode
from generation.packs.manifest import Pack
from generation.packs.tiny import flux as tiny
from generation.weights import snapshot
from governance.kernel.errors import InvalidInput
from tests.unit.generation.conftest import spec_maker


class TestGuidance:
    def test_is_refused_for_a_model_without_it(self, tmp_path: Path, flux_pack: Pack) -> None:
        tiny.save(tmp_path / "schnell", 7, has_guidance=False)
        schnell: dict[str, Any] = {
            "folder": tmp_path / "schnell",
            "snapshot_sha256": snapshot.digest_folder(tmp_path / "schnell").sha256,
        }
        engine, spec = FluxEngine(), spec_maker(flux_pack, negative_prompt="", guidance=3.5)
        with pytest.raises(InvalidInput, match="takes no guidance") as refused:
            engine.render(spec(**schnell), lambda _done, _of: None)
        assert refused.value.pointer == "/guidance"
        made = engine.render(spec(**schnell, guidance=0.0), lambda _done, _of: None)
        assert made.pixels.std() > 1

    def test_is_told_by_the_models_files(self, tmp_path: Path, flux_pack: Pack) -> None:
        tiny.save(tmp_path / "schnell", 7, has_guidance=False)
        dev, schnell = (
            FluxEngine().modes_of(folder)
            for folder in (flux_pack.model.folder, tmp_path / "schnell")
        )
        assert dev - schnell == {Mode.GUIDANCE}
        assert Mode.ADAPTERS in schnell
