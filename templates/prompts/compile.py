"""Turns a template and its variables into the final prompt; pure, bounded, and closed to code.

Values are data: they are put in as text and never parsed again, and none can break out of the
locked text around it. Three walls hold that:

1. A template holds text and placeholders only: `{{ name }}`, or `{{ name | filter }}` with a filter
   of this module. A pattern admits placeholders, then the parsed tree is checked node by node
   (no calls, attributes, loops, conditions), then Jinja's immutable sandbox renders it.
2. A value may hold letters, marks and digits of any script, single characters of `PUNCTUATION`,
   hyphens and apostrophes inside words, and spaces. What has a meaning for prompt parsers is
   refused, not repaired: brackets, weights (`:1.3`, `++`), `|`, `<lora:…>`, quotes, backslashes,
   the words in `KEYWORDS`, line breaks, controls, and everything invisible or that turns the
   direction of writing. The same holds for its compatibility form (NFKC), which is what some
   tokenizers read. Only one thing is adjusted: a value enters in Unicode's composed form (NFC).
3. Placeholders stand apart: the locked text beside one never ends or begins in a letter or digit,
   so two values, or a value and the text, cannot grow into one word.

The price is stated: joiners that a few scripts use inside words (U+200C, U+200D) are refused too.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import rfc8785
from jinja2 import StrictUndefined, Template, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jsonschema import Draft202012Validator

from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput
from templates.brands import shapes
from templates.brands.folding import INVISIBLE
from templates.brands.shapes import Problem
from templates.prompts import steps

CONTENT_SCHEMA = Path(__file__).with_name("content.schema.json")

MAX_TEXT = 2000
MAX_PROMPT = 2000
MAX_VARIABLES = 24
MAX_CHOICE = 80
MAX_FREE_TEXT = 200
MAX_FILTERS = 3
MAX_MARKS_IN_A_ROW = 3
# An author's word that a variable takes any text; without it a text variable needs an enum.
FREE_TEXT = "x-free-text"

PUNCTUATION = frozenset(" .,!?%&°")
INNER_PUNCTUATION = frozenset("-'’‐‑")
# Words that common prompt parsers read as commands; `AND` splits, `BREAK` starts a new chunk.
KEYWORDS = frozenset({"ADDBASE", "ADDCOL", "ADDCOMM", "ADDROW", "AND", "BREAK"})
UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLACEHOLDER = re.compile(
    r"\{\{ *[a-z][a-z0-9_]{0,39}"
    r"(?: *\| *[a-z_]{1,20}(?: *\( *\"[^\"{}\\]{0,80}\" *\))?){0,3}"
    r" *\}\}"
)
_MARKS = ("{{", "}}", "{%", "%}", "{#", "#}")
_VOWEL_SOUND = re.compile(
    r"(?!eu|one\b|uni|use|u[^aeiou\W]e)[aeiou]|hour|honest|heir", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The prompt as the model gets it, the variables with their defaults, and its digest."""

    prompt: str
    negative: str
    variables: Mapping[str, str | int | float]
    sha256: str


def compile_prompt(content: Mapping[str, Any], variables: Mapping[str, Any]) -> Compiled:
    """Compile the prompt from a template's content and the variables of an order.

    Raises: InvalidInput with a pointer below /variables, naming the rule; the facts' `errors` list
    every problem, not only the first.

    >>> content = {
    ...     "prompt": "a {{ color }} mug",
    ...     "negative": "",
    ...     "schema": {"properties": {"color": {"type": "string", "enum": ["red", "blue"]}},
    ...                "required": ["color"]},
    ... }
    >>> compile_prompt(content, {"color": "red"}).prompt
    'a red mug'
    """
    shapes.require(variable_problems(content, variables))
    properties: Mapping[str, Any] = content["schema"]["properties"]
    filled = {
        name: variables[name] if name in variables else properties[name]["default"]
        for name in properties
    }
    values = {name: _as_text(value) for name, value in filled.items()}
    prompt = _render(content["prompt"], values)
    negative = _render(content["negative"], values)
    if not prompt.strip():
        raise InvalidInput(
            "With these variables the prompt is empty: fill in at least one of them.",
            pointer="/variables",
            rule="empty",
        )
    for field, text in (("prompt", prompt), ("negative", negative)):
        if len(text) > MAX_PROMPT:
            raise InvalidInput(
                f"With these variables the {field} has {len(text)} characters; "
                f"the limit is {MAX_PROMPT}.",
                pointer="/variables",
                rule="maxLength",
            )
    return Compiled(
        prompt=prompt,
        negative=negative,
        variables=filled,
        sha256=sha256_hex(canonical_json({"prompt": prompt, "negative": negative})),
    )


def variable_problems(content: Mapping[str, Any], variables: object) -> list[Problem]:
    """List what is wrong with an order's variables, each under /variables/NAME."""
    schema: Mapping[str, Any] = content["schema"]
    if not isinstance(variables, Mapping):
        return [Problem("/variables", "type", "The variables must be an object of name and value.")]
    strict = {
        "type": "object",
        "properties": schema["properties"],
        "required": schema.get("required", []),
        "additionalProperties": False,
    }
    found = shapes.problems(strict, dict(variables), under="/variables")
    at_fault = {problem.pointer for problem in found}
    for name, value in variables.items():
        pointer = shapes.pointer_to("variables", name)
        if name in schema["properties"] and pointer not in at_fault:
            problem = _value_problem(pointer, value)
            if problem is not None:
                found.append(problem)
    order = {shapes.pointer_to("variables", name): n for n, name in enumerate(schema["properties"])}
    return sorted(found, key=lambda problem: order.get(problem.pointer, len(order)))


def validate_content(content: Mapping[str, Any]) -> None:
    """Refuse a bad template when it is drafted.

    Raises: InvalidInput with a pointer into the content; the facts' `errors` list every problem.
    """
    shapes.require(content_problems(content))


def content_problems(content: object) -> list[Problem]:
    """List what is wrong with a content; the finer rules follow once its shape is right."""
    found = shapes.problems(shapes.load(CONTENT_SCHEMA), content) or [*_unwritable(content)]
    if found:
        return found
    checked: Any = content
    properties: Mapping[str, Any] = checked["schema"]["properties"]
    for name, declared in properties.items():
        found += _declaration_problems(
            name, declared, is_required=name in checked["schema"]["required"]
        )
    found += [
        Problem(
            "/schema/required", "unknown", f"{shapes.shown(name)} is required, but not declared."
        )
        for name in checked["schema"]["required"]
        if name not in properties
    ]
    used: set[str] = set()
    bare: set[str] = set()
    for field in ("prompt", "negative"):
        text_found, atoms = _read_text(f"/{field}", checked[field])
        found += text_found
        used |= {atom.name for atom in atoms if atom.name}
        bare |= {atom.name for atom in atoms if atom.name and atom.prefix is None}
    found += [
        Problem(
            shapes.pointer_to("schema", "properties", name, "minLength"),
            "minLength",
            f"The variable {shapes.shown(name)} may be empty, which leaves a hole in the text: "
            'give it a minLength of 1, or write it as {{ name | prefixed(", ") }}.',
        )
        for name, declared in properties.items()
        if name in bare and _may_be_empty(declared)
    ]
    if not found:
        found += [
            Problem("/prompt", "undeclared", f"The variable {shapes.shown(name)} is not declared.")
            for name in sorted(used - set(properties))
        ]
        found += [
            Problem(
                shapes.pointer_to("schema", "properties", name),
                "unused",
                f"The variable {shapes.shown(name)} is declared, but never used.",
            )
            for name in properties
            if name not in used
        ]
    found += [*_range_problems(checked), *_picture_problems(checked), *steps.problems(checked)]
    found += [
        Problem(
            f"/legible/{place}", "undeclared", f"The variable {shapes.shown(name)} is not declared."
        )
        for place, name in enumerate(checked.get("legible", ()))
        if name not in properties
    ]
    if not found:
        found += [
            Problem(
                "/starter" + problem.pointer.removeprefix("/variables"),
                problem.rule,
                problem.detail,
            )
            for problem in variable_problems(checked, checked["starter"])
        ]
    return found


def locked_pieces(text: str) -> tuple[str, ...]:
    """Split a template text into what no variable can change, around its placeholders.

    >>> locked_pieces("a {{ color }} mug on {{ ground }}")
    ('a ', ' mug on ', '')
    """
    return tuple(_PLACEHOLDER.split(text))


def is_locked_out(value: str) -> str | None:
    """Tell why a value may not enter a prompt, as a clause after the name; None if it may.

    >>> is_locked_out("red")
    >>> is_locked_out("(red:1.3)")
    'may not hold the character “(” (U+0028)'
    """
    if value != value.strip(" "):
        return "may not begin or end with a space"
    compatible = unicodedata.normalize("NFKC", value)
    for form in (unicodedata.normalize("NFC", value), compatible):
        reason = _character_fault(form)
        if reason is not None:
            return reason
    for word in re.findall(r"[^\W_]+", compatible):
        # A capital after the first letter is enough: the filter capitalize makes "aND" a command.
        if word.upper() in KEYWORDS and word[1:] != word[1:].lower():
            return f"may not hold the word {word} in capitals: prompt parsers read it as a command"
    return None


# Filters: the only functions a template may name. Each takes text and returns text of the same
# alphabet; none may make capitals of a whole word, or "and" could become a command.


def _lower(value: str) -> str:
    return value.lower()


def _capitalize(value: str) -> str:
    return value[:1].upper() + value[1:]


def _with_article(value: str) -> str:
    return f"{'an' if _VOWEL_SOUND.match(value) else 'a'} {value}" if value else value


def _prefixed(value: str, prefix: str) -> str:
    return prefix + value if value else value


FILTERS: Mapping[str, Callable[..., str]] = {
    "capitalize": _capitalize,
    "lower": _lower,
    "prefixed": _prefixed,
    "with_article": _with_article,
}
_FILTERS_WITH_TEXT = frozenset({"prefixed"})


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update(FILTERS)
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=256)
def _parsed(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def _render(text: str, values: Mapping[str, str]) -> str:
    found, _atoms_read = _read_text("/prompt", text)
    shapes.require([*found])
    return _parsed(text).render(values)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    written: bytes = rfc8785.dumps(value)
    return written.decode("ascii")


def _value_problem(pointer: str, value: object) -> Problem | None:
    if isinstance(value, float) and not math.isfinite(value):
        return Problem(pointer, "type", "A number must be finite.")
    if not isinstance(value, str):
        return None
    fault = is_locked_out(value)
    if fault is None:
        return None
    name = pointer.rpartition("/")[2]
    return Problem(pointer, "characters", f"{shapes.shown(name)} {fault}.")


def _character_fault(value: str) -> str | None:
    marks = 0
    for place, c in enumerate(value):
        category = unicodedata.category(c)
        named = f"{shapes.shown(c)} (U+{ord(c):04X})"
        if c in "\t\n\r\v\f\x85\u2028\u2029":
            return "must be one line"
        if _is_invisible(c):
            return f"may not hold the invisible character U+{ord(c):04X}"
        marks = marks + 1 if category.startswith("M") else 0
        if marks > MAX_MARKS_IN_A_ROW or (marks and place == 0):
            return "may not pile up accents, or begin with one"
        if c in INNER_PUNCTUATION:
            if not (0 < place < len(value) - 1 and _in_word(value[place - 1], value[place + 1])):
                return f"may hold {shapes.shown(c)} only inside a word"
        elif category[0] not in "LMN" and c not in PUNCTUATION:
            return f"may not hold the character {named}"
    return None


def _in_word(before: str, after: str) -> bool:
    return unicodedata.category(before)[0] in "LMN" and unicodedata.category(after)[0] in "LN"


def _declaration_problems(
    name: str, declared: Mapping[str, Any], *, is_required: bool
) -> Iterator[Problem]:
    pointer = shapes.pointer_to("schema", "properties", name)
    kind = declared["type"]
    choices = declared.get("enum")
    if choices is not None:
        for place, choice in enumerate(choices):
            yield from _choice_problems(f"{pointer}/enum/{place}", kind, choice)
    elif kind == "string":
        yield from _free_text_problems(pointer, declared)
    elif "minimum" not in declared or "maximum" not in declared:
        yield Problem(
            pointer, "bounds", f"The number {shapes.shown(name)} needs a minimum and a maximum."
        )
    for bound in ("min", "max"):
        if kind != "string" and f"{bound}Length" in declared:
            yield Problem(f"{pointer}/{bound}Length", "type", "Only text has a length.")
        if kind == "string" and f"{bound}imum" in declared:
            yield Problem(f"{pointer}/{bound}imum", "type", "Only a number has this bound.")
    if "default" in declared:
        yield from _default_problems(pointer, declared)
    elif not is_required:
        yield Problem(
            pointer,
            "default",
            f"The variable {shapes.shown(name)} is optional and needs a default.",
        )


def _choice_problems(pointer: str, kind: str, choice: object) -> Iterator[Problem]:
    if not Draft202012Validator({"type": kind}).is_valid(choice):
        yield Problem(pointer, "type", f"{shapes.shown(choice)} does not have the type {kind}.")
    elif isinstance(choice, str):
        fault = is_locked_out(choice) or ("may not be empty" if not choice else None)
        if len(choice) > MAX_CHOICE:
            fault = f"may have at most {MAX_CHOICE} characters"
        if fault is not None:
            yield Problem(pointer, "characters", f"The choice {shapes.shown(choice)} {fault}.")


def _free_text_problems(pointer: str, declared: Mapping[str, Any]) -> Iterator[Problem]:
    if declared.get(FREE_TEXT) is not True:
        yield Problem(
            pointer,
            "freeText",
            f"A text variable needs an enum of choices, or {FREE_TEXT}: true and a maxLength.",
        )
    elif not 1 <= declared.get("maxLength", 0) <= MAX_FREE_TEXT:
        yield Problem(pointer, "maxLength", f"Free text needs a maxLength of 1 to {MAX_FREE_TEXT}.")


def _default_problems(pointer: str, declared: Mapping[str, Any]) -> Iterator[Problem]:
    default = declared["default"]
    wrong = shapes.problems({**declared}, default, under=f"{pointer}/default")
    yield from wrong
    if not wrong and isinstance(default, str):
        fault = is_locked_out(default)
        if fault is not None:
            yield Problem(f"{pointer}/default", "characters", f"The default {fault}.")


def _range_problems(content: Mapping[str, Any]) -> Iterator[Problem]:
    for name, allowed in content["parameters"].items():
        if not allowed["minimum"] <= allowed["default"] <= allowed["maximum"]:
            yield Problem(
                f"/parameters/{name}/default",
                "range",
                f"The default of {shapes.shown(name)} must lie within its range.",
            )
    for field in ("adapters", "controls"):
        slugs = [each["slug"] for each in content.get(field, ())]
        for place, each in enumerate(content.get(field, ())):
            allowed = each["strength"]
            if not allowed["minimum"] <= allowed["default"] <= allowed["maximum"]:
                yield Problem(
                    f"/{field}/{place}/strength/default",
                    "range",
                    f"The default of {shapes.shown(each['slug'])} must lie within its range.",
                )
            if slugs.index(each["slug"]) != place:
                yield Problem(
                    f"/{field}/{place}/slug",
                    "unique",
                    f"{shapes.shown(each['slug'])} stands here twice.",
                )


def _picture_problems(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what no order could give: a default out of its range, or more at least than at most."""
    pictures: Mapping[str, Any] = content.get("pictures", {})
    strength = pictures.get("source", {}).get("strength")
    if strength and not strength["minimum"] <= strength["default"] <= strength["maximum"]:
        yield Problem(
            "/pictures/source/strength/default",
            "range",
            "The default of the strength must lie within its range.",
        )
    count = pictures.get("references")
    if count and count["minimum"] > count["maximum"]:
        yield Problem(
            "/pictures/references/minimum", "range", "At least may not be more than at most."
        )
    needed = {
        "source": pictures.get("source", {}).get("required", False),
        "references": bool(count and count["minimum"]),
    }
    if all(needed.values()):
        yield Problem(
            "/pictures",
            "exclusive",
            "An image starts from a picture or has pictures to look at: only one may be needed.",
        )


def _may_be_empty(declared: Mapping[str, Any]) -> bool:
    return (
        declared["type"] == "string" and "enum" not in declared and not declared.get("minLength", 0)
    )


def _unwritable(value: object, *steps: object) -> Iterator[Problem]:
    """Find numbers that JSON does not know, and characters that a reviewer would not see."""
    pointer = shapes.pointer_to(*steps)
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _unwritable(str(name), *steps)
            yield from _unwritable(item, *steps, name)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _unwritable(item, *steps, place)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(pointer, "type", "A number must be finite.")
    elif isinstance(value, str):
        hidden = next((c for c in value if c != "\n" and _is_invisible(c)), None)
        if hidden is not None:
            yield Problem(
                pointer,
                "characters",
                f"The text may not hold the invisible character U+{ord(hidden):04X}.",
            )


def _is_invisible(c: str) -> bool:
    return c in INVISIBLE or unicodedata.category(c) in UNSEEN_CATEGORIES


@dataclass(frozen=True, slots=True)
class _Atom:
    """A piece of a parsed text: locked text, or a placeholder (`name`) with its optional prefix."""

    text: str = ""
    name: str = ""
    prefix: str | None = None


@lru_cache(maxsize=512)
def _read_text(pointer: str, text: str) -> tuple[tuple[Problem, ...], tuple[_Atom, ...]]:
    """Read a template text as atoms, with what is wrong with it."""
    fault = _text_fault(text)
    if fault is not None:
        return (Problem(pointer, *fault),), ()
    atoms, node_fault = _atoms(_ENVIRONMENT.parse(text))
    if node_fault is not None:
        return (Problem(pointer, "placeholder", node_fault),), ()
    if _stand_apart(atoms):
        return (), tuple(atoms)
    problem = Problem(
        pointer,
        "boundary",
        "Every placeholder needs a space or a sign before and after it, "
        "so that its value cannot grow into another word.",
    )
    return (problem,), tuple(atoms)


def _text_fault(text: str) -> tuple[str, str] | None:
    if len(text) > MAX_TEXT:
        return "maxLength", f"The text may have at most {MAX_TEXT} characters."
    hidden = next((c for c in text if _is_invisible(c)), None)
    if hidden is not None:
        return "characters", (
            f"The text may not hold the invisible character U+{ord(hidden):04X}: "
            "write it in one line of visible text."
        )
    if any(mark in piece for piece in locked_pieces(text) for mark in _MARKS):
        return "placeholder", (
            "Only {{ name }} and {{ name | filter }} may stand in a text; "
            f"the filters are {', '.join(FILTERS)}."
        )
    return None


def _atoms(tree: nodes.Template) -> tuple[list[_Atom], str | None]:
    """Flatten the tree, or say which node may not be there."""
    atoms: list[_Atom] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return [], f"A text may not hold {type(output).__name__}."
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                atoms.append(_Atom(text=node.data))
                continue
            prefix: str | None = None
            inner: nodes.Expr | None = node
            depth = 0
            while isinstance(inner, nodes.Filter):
                fault = _filter_fault(inner)
                if fault is not None:
                    return [], fault
                if inner.args:
                    if depth:
                        return [], "The filter prefixed must be the last one."
                    prefix = inner.args[0].as_const()
                inner, depth = inner.node, depth + 1
            if not isinstance(inner, nodes.Name) or depth > MAX_FILTERS:
                return [], "A placeholder names one variable and at most three filters."
            atoms.append(_Atom(name=inner.name, prefix=prefix))
    return atoms, None


def _filter_fault(node: nodes.Filter) -> str | None:
    if node.name not in FILTERS:
        return (
            f"There is no filter {shapes.shown(node.name)}; the filters are {', '.join(FILTERS)}."
        )
    if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        return "A filter takes nothing but one text in quotes."
    texts = [
        arg for arg in node.args if isinstance(arg, nodes.Const) and isinstance(arg.value, str)
    ]
    wanted = 1 if node.name in _FILTERS_WITH_TEXT else 0
    if len(texts) != wanted or len(node.args) != wanted:
        return f"The filter {node.name} takes {'one text in quotes' if wanted else 'nothing'}."
    return None


def _stand_apart(atoms: list[_Atom]) -> bool:
    """Tell whether every value has a boundary on both sides, whichever optional ones are empty."""
    for place, atom in enumerate(atoms):
        if not atom.name:
            continue
        if atom.prefix is None:
            before = atoms[place - 1] if place else None
            if before is not None and (before.name or not _is_boundary(before.text[-1:])):
                return False
        elif not (_is_boundary(atom.prefix[:1]) and _is_boundary(atom.prefix[-1:])):
            return False
        for after in atoms[place + 1 :]:
            if after.name and after.prefix is not None:
                continue
            if after.name or not _is_boundary(after.text[:1]):
                return False
            break
    return True


def _is_boundary(c: str) -> bool:
    return bool(c) and unicodedata.category(c)[0] not in "LMN" and c != "_"
