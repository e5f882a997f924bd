"""Checks a document against a JSON Schema and says in plain words what is wrong, and where; pure.

Every problem names an RFC 6901 pointer and the rule (a keyword of JSON Schema 2020-12), in the
order of the pointers, so that the same document always gives the same answer.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from governance.kernel.errors import InvalidInput

MAX_SHOWN = 60
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "empty",
    "number": "a number",
    "object": "an object",
    "string": "text",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, by which rule, and a sentence for the person who wrote it."""

    pointer: str
    rule: str
    detail: str


@cache
def load(path: Path) -> dict[str, Any]:
    """Read a schema file once, and check that it is a valid schema itself."""
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return schema


def pointer_to(*steps: object) -> str:
    """Write an RFC 6901 pointer.

    >>> pointer_to("variables", "a/b", 0)
    '/variables/a~1b/0'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def problems(schema: Mapping[str, Any], document: object, *, under: str = "") -> list[Problem]:
    """List what keeps `document` from having the shape; `under` goes before each pointer.

    A value of the wrong type has no other problem.
    """
    found = {
        problem
        for error in Draft202012Validator(dict(schema)).iter_errors(document)
        for problem in _problems_of(error, under)
    }
    mistyped = {problem.pointer for problem in found if problem.rule == "type"}
    return sorted(
        (each for each in found if each.rule == "type" or each.pointer not in mistyped),
        key=lambda problem: (problem.pointer, problem.rule, problem.detail),
    )


def require(problems: list[Problem]) -> None:
    """Let pass, or raise InvalidInput for the first problem, with all of them in the facts."""
    if not problems:
        return
    first = problems[0]
    raise InvalidInput(
        first.detail,
        pointer=first.pointer,
        rule=first.rule,
        errors=[
            {"pointer": each.pointer, "rule": each.rule, "detail": each.detail} for each in problems
        ],
    )


def shown(value: object) -> str:
    r"""Quote a value for a sentence: one line, printable, and short.

    >>> shown("a\nb")
    '“a b”'
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(c if c.isprintable() else " " for c in text)
    return f"“{text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + '…'}”"


def _problems_of(error: ValidationError, under: str) -> Iterator[Problem]:
    here = [*error.absolute_path]
    rule = str(error.validator)
    limit: Any = error.validator_value
    instance: Any = error.instance
    if rule == "required":
        for name in limit:
            if name not in instance:
                yield Problem(under + pointer_to(*here, name), rule, f"{shown(name)} is missing.")
    elif rule == "additionalProperties" and limit is False:
        schema: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
        for name in instance:
            if name not in schema.get("properties", {}):
                short = str(name)[:MAX_SHOWN]
                yield Problem(
                    under + pointer_to(*here, short),
                    "unknown",
                    f"There is no field {shown(name)} here.",
                )
    else:
        yield Problem(under + pointer_to(*here), rule, _sentence(rule, limit, error, here))


def _sentence(rule: str, limit: Any, error: ValidationError, here: list[Any]) -> str:
    subject = shown(here[-1]) if here and isinstance(here[-1], str) else "The value"
    value = shown(error.instance)
    said = {
        "const": lambda: f"{subject} must be {shown(limit)}.",
        "enum": lambda: f"{value} is not one of the choices: {_choices(limit)}.",
        "exclusiveMaximum": lambda: f"{subject} must be less than {limit}.",
        "exclusiveMinimum": lambda: f"{subject} must be more than {limit}.",
        "maxItems": lambda: f"{subject} may have at most {limit} entries.",
        "maxLength": lambda: f"{subject} may have at most {limit} characters.",
        "maxProperties": lambda: f"{subject} may have at most {limit} entries.",
        "maximum": lambda: f"{subject} may be at most {limit}.",
        "minItems": lambda: f"{subject} needs at least {limit} entries.",
        "minLength": lambda: f"{subject} needs at least {limit} characters.",
        "minProperties": lambda: f"{subject} needs at least {limit} entries.",
        "minimum": lambda: f"{subject} must be at least {limit}.",
        "multipleOf": lambda: f"{subject} must be a multiple of {limit}.",
        "pattern": lambda: f"{value} does not have the form {limit}",
        "type": lambda: f"{subject} must be {_types(limit)}.",
        "uniqueItems": lambda: f"{subject} names the same entry twice.",
    }.get(rule)
    return said() if said else f"{subject} breaks the rule {rule}."


def _choices(values: list[Any]) -> str:
    listed = ", ".join(str(value) for value in values[:20])
    return listed if len(values) <= 20 else f"{listed}, …"  # noqa: PLR2004


def _types(names: str | list[str]) -> str:
    wanted = [names] if isinstance(names, str) else names
    return " or ".join(_TYPES.get(name, name) for name in wanted)
