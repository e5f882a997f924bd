"""Reads a JSON body strictly: bounded in size and depth, no name twice, all of it storable."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser

from imprimatur.api.errors import MalformedJson, PayloadTooLarge

MAX_DEPTH = 16
# Beyond this a double does not hold every whole number, and others' parsers round (RFC 8259, 6).
MAX_INTEGER = 2**53
_BACKSLASH, _QUOTE = b'\\"'


class StrictJSONParser(BaseParser):
    """Parses application/json, and lets through only text and numbers that every part can hold."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 (the framework passes it)
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 (the framework passes it)
    ) -> Any:
        """Return the value. Raises: PayloadTooLarge, MalformedJson."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data = stream.read(limit + 1)
        if len(data) > limit:
            raise PayloadTooLarge(
                _("A request has at most %(limit)d bytes.") % {"limit": limit}, limit_bytes=limit
            )
        return loads(data)


def loads(data: bytes) -> Any:
    """Return the value that `data` holds. Raises: MalformedJson."""
    if depth(data) > MAX_DEPTH:
        raise MalformedJson(
            _("The body nests deeper than %(limit)d levels.") % {"limit": MAX_DEPTH}, rule="depth"
        )
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise MalformedJson(_("The body is not UTF-8."), rule="utf8") from error
    except json.JSONDecodeError as error:
        raise MalformedJson(
            _("The body is not JSON: it breaks at line %(line)d, column %(column)d.")
            % {"line": error.lineno, "column": error.colno},
            rule="syntax",
        ) from error
    if not isinstance(value, dict):
        raise MalformedJson(_("The body must be one JSON object."), rule="object")
    _refuse_unstorable(value, "")
    return value


def depth(data: bytes) -> int:
    """Return how deep brackets nest, without building anything.

    >>> depth(b'{"a": [1, "]]["]}')
    2
    """
    deepest = level = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == _BACKSLASH:
                escaped = True
            elif byte == _QUOTE:
                in_string = False
        elif byte == _QUOTE:
            in_string = True
        elif byte in b"[{":
            level += 1
            deepest = max(deepest, level)
            if deepest > MAX_DEPTH:
                return deepest
        elif byte in b"]}":
            level -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise MalformedJson(
                _("The name %(name)s stands twice in one object.") % {"name": name[:60]},
                rule="duplicate",
            )
        found[name] = value
    return found


def _constant(name: str) -> Any:
    raise MalformedJson(_("%(name)s is not JSON.") % {"name": name}, rule="syntax")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MalformedJson(_("A number is too large."), rule="number")
    return value


def _integer(text: str) -> int:
    if len(text) > len(str(MAX_INTEGER)) + 1 or not -MAX_INTEGER <= int(text) <= MAX_INTEGER:
        raise MalformedJson(_("A whole number is too large to be exact."), rule="number")
    return int(text)


def _refuse_unstorable(value: Any, pointer: str) -> None:
    if isinstance(value, str):
        _refuse_unstorable_text(value, pointer)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _refuse_unstorable_text(name, pointer)
            _refuse_unstorable(inner, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_unstorable(inner, f"{pointer}/{index}")


def _refuse_unstorable_text(text: str, pointer: str) -> None:
    if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text):
        raise MalformedJson(
            _("A text holds a NUL or half of a surrogate pair."), pointer=pointer, rule="text"
        )
