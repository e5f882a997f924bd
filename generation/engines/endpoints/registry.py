"""Which kind of server is spoken to by which module; adding one is adding a file."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, ModuleType

import generation.engines.endpoints
from generation.engines.endpoints.protocol import EngineEndpoint
from generation.engines.endpoints.servers import Server
from governance.kernel.errors import InvalidInput


def connect(server: Server, credential: Mapping[str, str]) -> EngineEndpoint:
    """Return the endpoint of a server; nothing is sent.

    A kind's module declares `KIND` and `connect()`. Raises: InvalidInput for an unknown kind.
    """
    require_known(server)
    made: EngineEndpoint = discover()[server.kind].connect(server, credential)
    return made


def require_known(server: Server) -> None:
    """Insist on a kind that somebody here speaks. Raises: InvalidInput."""
    kinds = discover()
    if server.kind not in kinds:
        raise InvalidInput(
            f"An endpoint's kind is one of: {', '.join(sorted(kinds))}.",
            pointer="/kind",
            rule="choice",
        )


@cache
def discover() -> Mapping[str, ModuleType]:
    """Map each kind of server to the module that speaks to it."""
    path, root = generation.engines.endpoints.__path__, "generation.engines.endpoints."
    names = [info.name for info in pkgutil.iter_modules(path, root) if info.name != __name__]
    modules = [importlib.import_module(name) for name in names]
    return MappingProxyType({module.KIND: module for module in modules if hasattr(module, "KIND")})
