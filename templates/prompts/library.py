"""Reads and writes starter packs: a folder of YAML files that people review before it is imported.

A pack is data that somebody wrote by hand, so it is read strictly: no aliases, no tags, no double
keys, only the types of JSON; everything is checked, and an error names the file, the place and the
rule. What is written is what was read: reading, writing and reading again loses nothing.

    product_studio/
        README.md         what the pack is for
        pack.yaml         name, description, palette
        rules.yaml        the brand's rules (optional)
        scoring.yaml      the brand's scoring policy (optional)
        templates/*.yaml  one template each; the file's name is its slug
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from governance.kernel.errors import InvalidInput
from templates.brands import scoring, screening, shapes
from templates.brands.screening import Rule
from templates.brands.shapes import Problem
from templates.prompts import compile as compiling

# The starter packs that come with the product.
FOLDER = Path(__file__).resolve().parents[1] / "library"
PACK_SCHEMA = Path(__file__).with_name("pack.schema.json")
MAX_FILE_BYTES = 128 * 1024
MAX_TEMPLATES = 200
# The order in which a template is written: what it is, what it says, what may be chosen.
_KEY_ORDER = (
    "name",
    "description",
    "prompt",
    "negative",
    "schema",
    "starter",
    "sizes",
    "parameters",
    "profiles",
    "adapters",
    "controls",
    "pictures",
    "steps",
    "legible",
    "notes",
)
_VARIABLE_ORDER = (
    "type",
    "title",
    "description",
    "enum",
    "x-free-text",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "default",
    "examples",
)
_SIZE_ORDER = ("width", "height", "label")
_PARAMETER_ORDER = ("steps", "guidance")
_RANGE_ORDER = ("minimum", "maximum", "default")
_PICTURES_ORDER = ("source", "references")
_SOURCE_ORDER = ("required", "strength", "masks")
_STEP_ORDER = ("name",)
_SCHEMA_ORDER = ("$schema", "type", "required", "additionalProperties", "properties")


@dataclass(frozen=True, slots=True)
class StarterTemplate:
    """One template of a pack, ready to be drafted."""

    slug: str
    name: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StarterScoring:
    """The scoring policy of a pack, ready to be proposed.

    `sections` are those that it has besides: markets, templates, concepts, cascades.
    """

    advisory: bool
    thresholds: Mapping[str, Mapping[str, Any]]
    sections: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pack:
    """One folder of starters; `rules` is empty and `scoring` is None where the pack has none."""

    slug: str
    name: str
    description: str
    palette: tuple[str, ...]
    templates: tuple[StarterTemplate, ...]
    rules: tuple[Rule, ...]
    scoring: StarterScoring | None


def read_pack(folder: Path) -> Pack:
    """Read and check a pack.

    Raises: InvalidInput naming file and place; its facts' `errors` list everything that is wrong.
    """
    if not (folder / "pack.yaml").is_file():
        raise InvalidInput(
            f"{shapes.shown(folder.name)} is not a pack: it has no pack.yaml.",
            pointer="/pack.yaml",
            rule="required",
        )
    about = read_yaml(folder / "pack.yaml")
    found = shapes.problems(shapes.load(PACK_SCHEMA), about, under="/pack.yaml")
    rules = _optional(folder / "rules.yaml")
    if rules is not None:
        found += screening.rule_problems(rules, under="/rules.yaml")
    judged = _optional(folder / "scoring.yaml")
    if judged is not None:
        found += scoring.policy_problems(judged, under="/scoring.yaml")
    paths = sorted((folder / "templates").glob("*.yaml"))
    documents = {path.stem: read_yaml(path) for path in paths}
    if not 1 <= len(documents) <= MAX_TEMPLATES:
        found.append(
            Problem("/templates", "minItems", f"A pack has 1 to {MAX_TEMPLATES} templates.")
        )
    for slug, document in documents.items():
        found += _template_problems(slug, document)
    shapes.require(found)
    return Pack(
        slug=folder.name,
        name=about["name"],
        description=about["description"],
        palette=tuple(about["palette"]),
        templates=tuple(
            StarterTemplate(slug=slug, name=document["name"], content=document)
            for slug, document in documents.items()
        ),
        rules=() if rules is None else screening.rules_of(rules),
        scoring=None if judged is None else _starter_scoring(scoring.policy_of(judged)),
    )


def read_template(path: Path) -> StarterTemplate:
    """Read and check one template file. Raises: InvalidInput naming file and place."""
    document = read_yaml(path)
    shapes.require(_template_problems(path.stem, document))
    return StarterTemplate(slug=path.stem, name=document["name"], content=document)


def write_template(content: Mapping[str, Any]) -> str:
    """Write a template as YAML that reads back to the same content, in the house's order."""
    ordered = _in_order(content, _KEY_ORDER)
    ordered["schema"] = _in_order(content["schema"], _SCHEMA_ORDER)
    properties = content["schema"]["properties"]
    ordered["schema"]["properties"] = {
        name: _in_order(declared, _VARIABLE_ORDER) for name, declared in properties.items()
    }
    ordered["starter"] = _in_order(content["starter"], tuple(properties))
    ordered["sizes"] = [_in_order(size, _SIZE_ORDER) for size in content["sizes"]]
    ordered["parameters"] = {
        name: _in_order(content["parameters"][name], _RANGE_ORDER) for name in _PARAMETER_ORDER
    }
    for name in {"adapters", "controls"} & content.keys():
        ordered[name] = [
            {"slug": each["slug"], "strength": _in_order(each["strength"], _RANGE_ORDER)}
            for each in content[name]
        ]
    if "pictures" in content:
        ordered["pictures"] = _pictures_in_order(content["pictures"])
    if "steps" in content:
        ordered["steps"] = [_in_order(step, _STEP_ORDER) for step in content["steps"]]
    for key, style in (("description", _Folded), ("prompt", _Folded), ("negative", _Folded)):
        if ordered.get(key):
            ordered[key] = style(ordered[key])
    if ordered.get("notes"):
        ordered["notes"] = _Literal(ordered["notes"])
    return _written(ordered)


def _pictures_in_order(pictures: Mapping[str, Any]) -> dict[str, Any]:
    ordered = _in_order(pictures, _PICTURES_ORDER)
    if "source" in ordered:
        source = _in_order(ordered["source"], _SOURCE_ORDER)
        ordered["source"] = {**source, "strength": _in_order(source["strength"], _RANGE_ORDER)}
    if "references" in ordered:
        ordered["references"] = _in_order(ordered["references"], _RANGE_ORDER)
    return ordered


def write_about(name: str, palette: Sequence[str]) -> str:
    """Write the pack.yaml of a brand's templates."""
    about = {
        "format": 1,
        "name": name,
        "description": _Folded(f"The templates of {name}, as they were exported."),
        "palette": list(dict.fromkeys(palette)),
    }
    return _written(about)


def read_yaml(path: Path) -> Any:
    """Read one YAML file strictly. Raises: InvalidInput naming the file and the line."""
    pointer = f"/{path.name}"
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidInput(
            f"{path.name} is larger than {MAX_FILE_BYTES} bytes.", pointer=pointer, rule="size"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path.name} is not UTF-8 text.", pointer=pointer, rule="encoding"
        ) from error
    return parse_yaml(text, name=path.name, pointer=pointer)


def parse_yaml(text: str, *, name: str, pointer: str = "") -> Any:
    """Read YAML strictly; `name` is what an error calls it. Raises: InvalidInput with the line."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = "" if mark is None else f", line {mark.line + 1}"
        raise InvalidInput(
            f"{name}{at}: {_said(error)}.",
            pointer=pointer,
            rule="yaml",
            line=None if mark is None else mark.line + 1,
        ) from error
    except (yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
        raise InvalidInput(
            f"{name} cannot be read as YAML.", pointer=pointer, rule="yaml"
        ) from error


def write_scoring(document: Mapping[str, Any]) -> str:
    """Write a scoring policy as YAML that reads back to the same document."""
    return _written(document)


def _written(document: Mapping[str, Any]) -> str:
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=92, indent=2
    )


def _said(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (error.context, error.problem) if part) or "not YAML"


def _optional(path: Path) -> Any:
    return read_yaml(path) if path.is_file() else None


def _starter_scoring(policy: Mapping[str, Any]) -> StarterScoring:
    return StarterScoring(
        advisory=policy["advisory"],
        thresholds=policy["thresholds"],
        sections={name: policy[name] for name in scoring.SECTIONS if name in policy},
    )


def _template_problems(slug: str, document: Any) -> list[Problem]:
    under = shapes.pointer_to("templates", f"{slug}.yaml")
    found = compiling.content_problems(document)
    if isinstance(document, dict) and "name" not in document:
        found = [*found, Problem("/name", "required", "“name” is missing.")]
    return [
        Problem(under + each.pointer, each.rule, f"{slug}.yaml: {each.detail}") for each in found
    ]


def _in_order(mapping: Mapping[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    known = {key: mapping[key] for key in order if key in mapping}
    return known | {key: value for key, value in mapping.items() if key not in known}


class _Loader(yaml.SafeLoader):
    """YAML with the types of JSON only (the core schema of YAML 1.2), without aliases."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases: a short file could become an endless document."""
        if self.check_event(yaml.AliasEvent):
            event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None,
                None,
                "aliases (&, *) are not allowed here",
                event.start_mark,  # type: ignore[arg-type]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands there twice, and one that is not text."""
        seen: set[str] = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {shapes.shown(key)} "
                    + ("stands here twice" if key in seen else "is not text"),
                    key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# What a plain word may mean besides text: null, a truth, an integer, a float.
_PLAIN_WORDS = (
    ("null", re.compile(r"(?:null|~|)$"), ["n", "~", ""]),
    ("bool", re.compile(r"(?:true|false)$"), list("tf")),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")),
    (
        "float",
        re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"),
        list("-+0123456789"),
    ),
)
_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is None
    or tag.rpartition(":")[2] in {"null", "bool", "int", "float", "str", "seq", "map"}
}


class _Folded(str):
    """Text to be written as a folded block."""

    __slots__ = ()


class _Literal(str):
    """Text to be written line by line."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Quotes whatever a reader of YAML 1.1 or 1.2 could take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write everything out: the reader takes no aliases."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent lists below their key."""
        super().increase_indent(flow, indentless=False)


for _name, _pattern, _first in _PLAIN_WORDS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
_Dumper.add_representer(
    _Folded, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style=">")
)
_Dumper.add_representer(
    _Literal, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
)
