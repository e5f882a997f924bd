"""Which tiny families there are; found by looking, so adding one is adding a module."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

import generation.packs.tiny


@cache
def discover() -> dict[str, ModuleType]:
    """Map each family's name to its module, which has FAMILY, PIPELINE, GUIDANCE and `save`.

    A module may also have `save_lora` and `save_controlnet`.
    """
    found = {}
    for info in pkgutil.iter_modules(generation.packs.tiny.__path__, "generation.packs.tiny."):
        if info.name == __name__:
            continue
        module = importlib.import_module(info.name)
        if hasattr(module, "FAMILY"):
            found[module.FAMILY] = module
    return dict(sorted(found.items()))
