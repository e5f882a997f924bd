"""Which engine runs which pipeline class; found by looking, so adding one is adding a file."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, ModuleType

import generation.engines
from generation.engines.errors import UnknownPipeline
from generation.engines.memory import Budget, usual_budget
from generation.engines.protocol import Engine
from generation.engines.resident import ResidentEngine
from generation.engines.shelf import Held, Shelf

# Where all engines of this process keep what they loaded.
SHELF = Shelf()


@cache
def find(pipeline: str) -> Engine:
    """Return this process's engine for a pipeline class.

    An engine's module declares `PIPELINE` and `engine()`. The instance is shared in the process, as
    is the shelf that holds the loaded models.

    Raises: UnknownPipeline, listing what there is.
    """
    modules = discover()
    if pipeline not in modules:
        raise UnknownPipeline(
            f"No engine runs the pipeline '{pipeline}'. There is one for: "
            f"{', '.join(sorted(modules))}.",
            pipeline=pipeline,
        )
    engine: Engine = modules[pipeline].engine()
    if isinstance(engine, ResidentEngine):
        engine.keep_on(SHELF)
    return engine


def limit_memory(device: str, *, device_bytes: int | None, host_bytes: int | None) -> None:
    """Say what the loaded models of this process may take together; None is the usual share."""
    usual = usual_budget(device)
    SHELF.budget = Budget(
        device_bytes=usual.device_bytes if device_bytes is None else device_bytes,
        host_bytes=usual.host_bytes if host_bytes is None else host_bytes,
    )


def held() -> tuple[Held, ...]:
    """Say which models are loaded, the longest unused first; never waits for a render."""
    return SHELF.held


@cache
def discover() -> Mapping[str, ModuleType]:
    """Map each pipeline class name to the module that runs it.

    Raises: ValueError if two modules claim the same class.
    """
    found: dict[str, ModuleType] = {}
    for info in pkgutil.iter_modules(generation.engines.__path__, "generation.engines."):
        if info.name == __name__:
            continue
        module = importlib.import_module(info.name)
        name = getattr(module, "PIPELINE", None)
        if name is None:
            continue
        if name in found:
            message = f"{found[name].__name__} and {module.__name__} both run {name}"
            raise ValueError(message)
        found[name] = module
    return MappingProxyType(found)
