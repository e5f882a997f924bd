"""The one place that readies a process for models: offline, deterministic, and able to import."""

import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

# Read once by the libraries when they are imported, hence set before any of them.
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DIFFUSERS_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # cuBLAS is deterministic only with a fixed workspace.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
_RECORDED_LIBRARIES = (
    "diffusers",
    "numpy",
    "open_clip_torch",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)
_TORCHVISION_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# A Library withdraws its schemas when it is collected, so it lives as long as the process.
_declared: list[torch.library.Library] = []


def prepare_process() -> None:
    """Forbid model downloads, choose deterministic kernels and make torchvision importable.

    Safe to call again. Call it before a model library is imported; `load_library` does.
    """
    os.environ.update(_OFFLINE)
    _close_hub_already_imported()
    torch.use_deterministic_algorithms(mode=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    _declare_torchvision_operators()


def load_library(name: str) -> Any:
    """Import a model library in a process that was readied for it.

    The libraries take seconds to import, so they are not imported at the top of a module.
    """
    prepare_process()
    library = importlib.import_module(name)
    _silence()
    return library


def set_threads(count: int) -> None:
    """Fix the number of CPU threads, which is part of what a replay must repeat."""
    torch.set_num_threads(count)


def describe_process() -> Mapping[str, str]:
    """Return the facts about this process that decide whether the same recipe gives equal bytes."""
    facts = {
        "cpu.capability": torch.backends.cpu.get_cpu_capability(),
        "cpu.model": _cpu_model(Path("/proc/cpuinfo")),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch.deterministic": str(torch.are_deterministic_algorithms_enabled()).lower(),
        "torch.threads": str(torch.get_num_threads()),
    }
    for library in _RECORDED_LIBRARIES:
        facts[f"library.{library}"] = version(library)
    return facts


def _cpu_model(cpuinfo: Path) -> str:
    """Return what the processor calls itself; the libraries choose their kernels by it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "not known"


def version(library: str) -> str:
    """Return the installed version of a library; absence is recorded, not hidden."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _close_hub_already_imported() -> None:
    """Set the offline switch in a hub client that read its environment before we could set it."""
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]


def _silence() -> None:
    """Keep progress bars, and warnings that quote prompts, out of a worker's structured log.

    The pipelines warn of a prompt that is too long by writing the part that they cut off.
    """
    for name in ("diffusers", "transformers"):
        if name in sys.modules:
            logging = importlib.import_module(f"{name}.utils.logging")
            logging.disable_progress_bar()
            logging.set_verbosity_error()


def _declare_torchvision_operators() -> None:
    """Declare the operators that torchvision expects when its build does not match torch's.

    A CUDA build of torchvision next to a CPU build of torch fails to import because its compiled
    operators are absent; open_clip, peft and timm import it. A matching build brings its own, so
    only what is missing is declared, and before torchvision is imported.
    """
    if "torchvision" in sys.modules or _declared:
        return
    if _torchvision_is_complete():
        return
    library = torch.library.Library("torchvision", "DEF")
    for schema in _TORCHVISION_SCHEMAS.values():
        library.define(schema)
    _declared.append(library)


def _torchvision_is_complete() -> bool:
    """Tell whether torchvision imports by itself, or is not there to be imported."""
    try:
        importlib.import_module("torchvision")
    except ImportError:
        return True
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        return False
    return True
