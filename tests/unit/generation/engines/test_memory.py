"""A model's footprint by its files is its footprint in memory; a budget says what is too much."""

from pathlib import Path

import pytest
import torch

from generation.engines import loading, memory
from generation.engines.handling import PLAIN, read
from generation.engines.memory import Budget, Footprint
from generation.engines.placement import place
from generation.packs.manifest import Pack

INT8 = "resident+int8_weights+own_bits"


class TestExpect:
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_is_what_the_loaded_model_takes(self, demo_pack: Pack, dtype: str) -> None:
        model = demo_pack.model
        pipeline = loading.load_pipeline(
            model.folder, model.snapshot_sha256, model.pipeline, place("cpu", dtype)
        )
        expected = memory.expect(model.folder, dtype, PLAIN, is_graphics=False)
        # Tied weights and positions that are computed differ a little.
        assert memory.weigh([pipeline]).host_bytes == pytest.approx(expected.host_bytes, rel=0.03)

    def test_halves_in_half_the_bytes(self, demo_pack: Pack) -> None:
        wide, narrow = (
            memory.expect(demo_pack.model.folder, dtype, PLAIN, is_graphics=False).host_bytes
            for dtype in ("float32", "bfloat16")
        )
        assert narrow == pytest.approx(wide / 2, rel=0.01)

    def test_only_the_transformer_is_quantised(self, demo_pack: Pack) -> None:
        folder = demo_pack.model.folder
        plain, small = (
            memory.expect(folder, "float32", read(text), is_graphics=False).host_bytes
            for text in ("resident", INT8)
        )
        size = next((folder / "transformer").glob("*.safetensors")).stat().st_size
        assert plain - small == pytest.approx(size * 3 / 4, rel=0.02)

    def test_says_where_the_weights_wait(self, demo_pack: Pack) -> None:
        folder = demo_pack.model.folder
        resident = memory.expect(folder, "float32", PLAIN, is_graphics=True)
        offloaded = memory.expect(folder, "float32", read("model_offload"), is_graphics=True)
        assert resident.host_bytes == 0
        assert offloaded.host_bytes == resident.device_bytes > offloaded.device_bytes > 0


class TestWeigh:
    def test_counts_what_two_pipelines_share_once(self) -> None:
        class Holder:
            def __init__(self, **components: torch.nn.Module) -> None:
                self.components = components

        shared = torch.nn.Linear(10, 10, bias=False)
        more = torch.nn.Linear(5, 5, bias=False)
        found = memory.weigh([Holder(a=shared), Holder(a=shared, b=more)])
        assert found == Footprint(host_bytes=500)


class TestBudget:
    def test_without_limits_holds_everything(self) -> None:
        assert Budget().excess(Footprint(10**15, 10**15)) is None

    def test_names_the_memory_and_the_setting(self) -> None:
        found = Budget(device_bytes=5, host_bytes=5).excess(Footprint(6, 0))
        assert found == ("graphics device", "WORKER_DEVICE_MODELS_GIB", 6, 5)
        found = Budget(device_bytes=5, host_bytes=5).excess(Footprint(5, 6))
        assert found == ("machine", "WORKER_HOST_MODELS_GIB", 6, 5)

    def test_heeds_a_containers_own_limit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "_CGROUP_LIMIT", tmp_path / "memory.max")
        free = memory.usual_budget("cpu").host_bytes
        (tmp_path / "memory.max").write_text("max\n")
        assert memory.usual_budget("cpu").host_bytes == free
        (tmp_path / "memory.max").write_text("1000000\n")
        assert memory.usual_budget("cpu").host_bytes == 700_000
