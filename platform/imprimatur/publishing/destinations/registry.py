"""Finds the kinds of destination: each module beside this one is a kind, and is named like it."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol, cast

from jsonschema import Draft202012Validator

from governance.kernel.errors import InvalidInput, NotFound
from imprimatur.publishing import destinations
from imprimatur.publishing.destinations.protocol import Destination

_OTHER_MODULES = frozenset({"protocol", "registry"})


class Kind(Protocol):
    """The face of a destination module; its name is the kind.

    The schemas are JSON Schema 2020-12. A configuration never holds a secret: the credential is
    resolved by the publisher alone and handed over beside it.
    """

    CONFIG_SCHEMA: Mapping[str, Any]
    CREDENTIAL_SCHEMA: Mapping[str, Any]

    def connect(self, config: Mapping[str, Any], credential: Mapping[str, str]) -> Destination:
        """Return the destination that a valid configuration describes."""


def kinds() -> tuple[str, ...]:
    """Return the names of all kinds, in alphabetical order."""
    return tuple(sorted(_modules()))


def config_schema(kind: str) -> Mapping[str, Any]:
    """Return what a configuration of `kind` looks like. Raises: NotFound."""
    return _module(kind).CONFIG_SCHEMA


def needs_credential(kind: str) -> bool:
    """Tell whether a destination of `kind` cannot be reached without a credential."""
    return bool(_module(kind).CREDENTIAL_SCHEMA.get("required"))


def require_config(kind: str, config: Mapping[str, Any]) -> None:
    """Refuse a configuration that does not fit its kind.

    Raises: InvalidInput with a pointer to the setting; NotFound.
    """
    _require(_module(kind).CONFIG_SCHEMA, config, f"The configuration of this {kind} destination")


def connect(
    kind: str, config: Mapping[str, Any], credential: Mapping[str, str] | None = None
) -> Destination:
    """Return a destination of `kind`, after configuration and credential are seen to fit.

    Nothing is sent yet. Raises: InvalidInput (which never quotes a credential); NotFound.
    """
    module = _module(kind)
    require_config(kind, config)
    given = {} if credential is None else credential
    _require(module.CREDENTIAL_SCHEMA, given, f"The credential of this {kind} destination")
    return module.connect(config, given)


def _require(schema: Mapping[str, Any], value: Mapping[str, Any], what: str) -> None:
    validator = Draft202012Validator(dict(schema))
    errors = sorted(validator.iter_errors(dict(value)), key=lambda error: list(error.absolute_path))
    if errors:
        error = errors[0]
        # The validator's own sentence quotes the value, and the value may be a secret.
        pointer = "".join(f"/{part}" for part in error.absolute_path)
        message = f"{what} breaks the rule {error.validator!r} at {pointer or 'its top'}."
        raise InvalidInput(message, pointer=pointer, rule=str(error.validator))


@cache
def _modules() -> Mapping[str, Kind]:
    found = {}
    for info in pkgutil.iter_modules(destinations.__path__):
        if info.name not in _OTHER_MODULES:
            module = importlib.import_module(f"{destinations.__name__}.{info.name}")
            found[info.name] = cast("Kind", module)
    return found


def _module(kind: str) -> Kind:
    try:
        return _modules()[kind]
    except KeyError:
        message = f"There is no destination of the kind {kind!r}."
        raise NotFound(message, kind=kind) from None
