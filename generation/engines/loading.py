"""How a pipeline folder becomes a pipeline: verified bytes, named classes, every weight present."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from generation.engines import applying
from generation.engines.errors import ModelUnavailable
from generation.engines.handling import WORKHORSE, Setting
from generation.engines.placement import Placement
from generation.weights import runtime, snapshot
from governance.kernel.errors import DomainError

Loadable = TypeVar("Loadable")

# The only libraries whose classes a pipeline folder may name.
_LIBRARIES = ("diffusers", "transformers")


def load_pipeline(folder: Path, snapshot_sha256: str, pipeline: str, placement: Placement) -> Any:
    """Load a pipeline from a local folder to its placement, exactly the bytes that were approved.

    Raises: ModelUnavailable, or DeviceUnavailable for a handling that this pipeline cannot take,
    with a sentence for the operator. Running out of memory passes through.
    """
    loaded = load_verified(
        folder, snapshot_sha256, lambda: _load(folder, pipeline, placement), pipeline=pipeline
    )
    applying.put_in_place(loaded, placement)
    return loaded


def load_verified(
    folder: Path, snapshot_sha256: str, load: Callable[[], Loadable], **facts: str
) -> Loadable:
    """Load from a folder exactly the bytes that were approved.

    Raises: ModelUnavailable with a sentence for the operator. Running out of memory passes through.
    """
    try:
        before = snapshot.fingerprint(folder)
        snapshot.verify(folder, snapshot_sha256)
        loaded = load()
        after = snapshot.fingerprint(folder)
    except ModelUnavailable:
        raise
    except DomainError as error:
        raise ModelUnavailable(
            error.detail, reason=error.code, **facts, folder=str(folder)
        ) from error
    if before != after:
        raise ModelUnavailable(
            f"The model folder '{folder}' changed while it was being loaded. Nothing was rendered.",
            reason=snapshot.SnapshotChanged.code,
            folder=str(folder),
        )
    return loaded


def _load(folder: Path, pipeline: str, placement: Placement) -> Any:
    """Load each component and put them together."""
    components = _read_index(folder, pipeline)
    pipeline_class = getattr(runtime.load_library("diffusers"), pipeline)
    try:
        models = {
            name: load_model(folder, name, getattr(runtime.load_library(library), kind), placement)
            for name, (library, kind) in components.items()
            if _is_model(library, kind)
        }
        return pipeline_class.from_pretrained(
            folder,
            **models,
            dtype=placement.dtype,
            local_files_only=True,
            use_safetensors=True,
        )
    except Exception as error:  # noqa: BLE001  told apart there, and raised again
        raise_unloadable(error, folder, pipeline)


def raise_unloadable(error: Exception, folder: Path, kind: str) -> NoReturn:
    """Raise what an operator can act on for whatever a library raised while it loaded.

    The libraries raise a dozen kinds of error for a broken file, some of which speak of a network;
    the operator needs the folder and the first line of what was found.
    """
    if isinstance(error, ModelUnavailable) or is_out_of_memory(error):
        raise error
    raise ModelUnavailable(
        f"The model folder '{folder}' could not be loaded as {kind}: its files are "
        "incomplete or damaged. Copy them again and propose the model again.",
        reason="unloadable",
        folder=str(folder),
        cause=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
    ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the device's memory ran out.

    A CPU allocation fails in torch as a plain RuntimeError.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shape mismatch"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "DefaultCPUAllocator" in text or "out of memory" in text
    )


def load_model(folder: Path, name: str, kind: Any, placement: Placement) -> Any:
    """Load one component and insist that no weight was missing.

    The libraries only warn about missing weights and go on with random ones.
    """
    model, report = kind.from_pretrained(
        folder / name,
        dtype=placement.dtype,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        **_quantisation(name, placement),
    )
    missing = [*report["missing_keys"], *report["mismatched_keys"]]
    if missing:
        raise ModelUnavailable(
            f"The part '{name}' of the model folder '{folder}' lacks {len(missing)} of its "
            "weights. Copy the model files again.",
            reason="weights_missing",
            folder=str(folder),
            part=name,
        )
    return model.eval()


def _quantisation(name: str, placement: Placement) -> dict[str, Any]:
    """Say how a part is quantised while its files are read, if it is."""
    if name != WORKHORSE or Setting.NF4 not in placement.handling:
        return {}
    config = runtime.load_library("diffusers").BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=placement.dtype
    )
    return {"quantization_config": config, "device_map": {"": placement.device}}


def _read_index(folder: Path, pipeline: str) -> dict[str, tuple[str, str]]:
    """Read which class of which library each component is, from `model_index.json`."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise ModelUnavailable(
            f"The folder '{folder}' is no pipeline: it has no 'model_index.json'. Point the model "
            "profile at the folder that holds it.",
            reason="no_index",
            folder=str(folder),
        )
    index = json.loads(path.read_bytes())
    if not isinstance(index, dict) or index.get("_class_name") != pipeline:
        raise ModelUnavailable(
            f"The model folder '{folder}' is not a {pipeline}. Correct the pipeline class in the "
            "model profile.",
            reason="other_pipeline",
            folder=str(folder),
        )
    return {
        name: _read_component(folder, name, entry)
        for name, entry in index.items()
        if isinstance(entry, list) and entry != [None, None]
    }


def _read_component(folder: Path, name: str, entry: list[object]) -> tuple[str, str]:
    """Read one component's library and class, refusing any library but the known two."""
    match entry:
        case [str(library), str(kind)] if library in _LIBRARIES and kind.isidentifier():
            if hasattr(runtime.load_library(library), kind):
                return library, kind
    raise ModelUnavailable(
        f"The part '{name}' of the model folder '{folder}' asks for {entry!r}, which is not "
        f"a class of {' or '.join(_LIBRARIES)} as installed here.",
        reason="unknown_component",
        folder=str(folder),
        part=name,
    )


def _is_model(library: str, kind: str) -> bool:
    """Tell whether a component has weights."""
    module = runtime.load_library(library)
    base = module.ModelMixin if library == "diffusers" else module.PreTrainedModel
    return issubclass(getattr(module, kind), base)
