"""A readied process is offline and deterministic, and imports what torchvision would break."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from generation.weights import runtime


class TestPrepareProcess:
    def test_chooses_deterministic_kernels(self) -> None:
        runtime.prepare_process()
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cuda.matmul.allow_tf32

    def test_closes_the_hub_client(self) -> None:
        constants = runtime.load_library("huggingface_hub.constants")
        assert constants.HF_HUB_OFFLINE

    def test_closes_a_hub_client_that_was_imported_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        constants = runtime.load_library("huggingface_hub.constants")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        runtime.prepare_process()
        assert constants.HF_HUB_OFFLINE

    def test_makes_torchvision_importable(self) -> None:
        assert runtime.load_library("torchvision").__name__ == "torchvision"

    def test_declares_nothing_twice(self) -> None:
        runtime.prepare_process()
        declared = list(runtime._declared)
        runtime.prepare_process()
        assert runtime._declared == declared


class TestDescribeProcess:
    def test_names_what_decides_the_bytes(self) -> None:
        runtime.prepare_process()
        facts = runtime.describe_process()
        assert facts["library.torch"] == torch.__version__
        assert facts["torch.threads"] == str(torch.get_num_threads())
        assert facts["torch.deterministic"] == "true"
        assert "not installed" not in facts.values()

    def test_names_the_processor_as_the_system_does(self, tmp_path: Path) -> None:
        told = tmp_path / "cpuinfo"
        told.write_text(
            "processor : 0\nmodel name\t: A processor, 3 GHz\nmodel name\t: B\n", "utf-8"
        )
        assert runtime._cpu_model(told) == "A processor, 3 GHz"
        assert runtime._cpu_model(tmp_path / "nowhere") != ""

    def test_records_that_a_library_is_absent(self) -> None:
        assert runtime.version("no-such-library-anywhere") == "not installed"


def test_no_web_framework_comes_with_the_engines() -> None:
    program = (
        "import sys; import generation.packs.builder, generation.scoring.suite, "
        "generation.engines.registry as r; r.discover(); "
        "bad = {'django', 'rest_framework', 'celery'} & set(sys.modules); sys.exit(str(bad) if bad "
        "else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
