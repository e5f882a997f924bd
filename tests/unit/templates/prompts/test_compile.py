"""The compiler: what a template may say, what a variable may hold, and what comes out."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from governance.kernel.errors import InvalidInput
from templates.prompts import compile as compiling
from tests.factories.templates import content

COMPLETE = {"object": "mug", "color": "orange"}

SPAN = {"minimum": 0.2, "maximum": 0.9, "default": 0.6}
SOURCE: dict[str, Any] = {"required": False, "strength": SPAN, "masks": ["none", "box"]}


def problems(**changes: Any) -> list[tuple[str, str]]:
    return [(p.pointer, p.rule) for p in compiling.content_problems(content(**changes))]


def schema_with(name: str, declared: Any, required: Sequence[str] = ()) -> dict[str, Any]:
    base = content()["schema"]
    return base | {
        "properties": base["properties"] | {name: declared},
        "required": [*base["required"], *required],
    }


class TestCompilePrompt:
    def test_puts_the_values_into_the_locked_text(self) -> None:
        compiled = compiling.compile_prompt(content(), {**COMPLETE, "detail": "a star badge"})
        assert compiled.prompt == "a orange mug, with a star badge, soft light"
        assert compiled.negative == "text, blurry"

    def test_fills_defaults_and_drops_the_prefix_of_what_is_empty(self) -> None:
        compiled = compiling.compile_prompt(content(), COMPLETE)
        assert compiled.prompt == "a orange mug, soft light"
        assert compiled.variables == {**COMPLETE, "detail": ""}

    def test_digests_prompt_and_negative(self) -> None:
        first = compiling.compile_prompt(content(), COMPLETE).sha256
        assert first == compiling.compile_prompt(content(), COMPLETE).sha256
        assert first != compiling.compile_prompt(content(), {**COMPLETE, "color": "red"}).sha256
        assert first != compiling.compile_prompt(content(negative="text"), COMPLETE).sha256

    def test_writes_numbers_in_one_way(self) -> None:
        declared = {"type": "integer", "minimum": 1, "maximum": 9}
        made = content(
            prompt="{{ n }} {{ color }} {{ object }}", schema=schema_with("n", declared, ["n"])
        )
        made["schema"]["properties"].pop("detail")
        assert compiling.compile_prompt(made, {**COMPLETE, "n": 2}).prompt == "2 orange mug"
        assert compiling.compile_prompt(made, {**COMPLETE, "n": 2.0}).prompt == "2 orange mug"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{{ color | with_article }} {{ object }}", "an orange mug"),
            ("{{ color | capitalize }} {{ object }}", "Orange mug"),
            ("{{ color | lower }} {{ object }}", "orange mug"),
            ("{{color}} {{object}}", "orange mug"),
        ],
    )
    def test_applies_the_filters(self, text: str, expected: Any) -> None:
        assert compiling.compile_prompt(content(prompt=text), COMPLETE).prompt == expected

    @pytest.mark.parametrize(
        ("word", "article"),
        [("hour", "an"), ("unicorn", "a"), ("umbrella", "an"), ("one", "a"), ("used box", "a")],
    )
    def test_chooses_the_article_by_sound(self, word: str, article: str) -> None:
        assert compiling.FILTERS["with_article"](word) == f"{article} {word}"

    def test_keeps_one_form_of_an_accent(self) -> None:
        composed = compiling.compile_prompt(content(), {**COMPLETE, "detail": "caf\u00e9"})
        decomposed = compiling.compile_prompt(content(), {**COMPLETE, "detail": "cafe\u0301"})
        assert composed.prompt == decomposed.prompt

    def test_refuses_a_prompt_that_grows_too_long(self) -> None:
        long = "word " * 385 + '{{ object }} {{ color }}{{ detail | prefixed(" ") }}'
        made = content(prompt=long)
        made["schema"]["properties"]["detail"]["maxLength"] = 200
        compiling.validate_content(made)
        compiling.compile_prompt(made, COMPLETE)
        with pytest.raises(InvalidInput, match="the limit is 2000"):
            compiling.compile_prompt(made, {**COMPLETE, "detail": "x" * 200})


class TestVariables:
    @pytest.mark.parametrize(
        ("variables", "pointer", "rule"),
        [
            ({}, "/variables/object", "required"),
            ({"object": "mug"}, "/variables/color", "required"),
            ({**COMPLETE, "size": "big"}, "/variables/size", "unknown"),
            ({**COMPLETE, "__class__": "x"}, "/variables/__class__", "unknown"),
            ({**COMPLETE, "a/b": "x"}, "/variables/a~1b", "unknown"),
            ({**COMPLETE, "color": "mauve"}, "/variables/color", "enum"),
            ({**COMPLETE, "color": 3}, "/variables/color", "type"),
            ({**COMPLETE, "color": None}, "/variables/color", "type"),
            ({**COMPLETE, "detail": ["a"]}, "/variables/detail", "type"),
            ({**COMPLETE, "detail": {"a": 1}}, "/variables/detail", "type"),
            ({**COMPLETE, "detail": True}, "/variables/detail", "type"),
            ({**COMPLETE, "detail": "x" * 41}, "/variables/detail", "maxLength"),
            ({**COMPLETE, "detail": "a\nb"}, "/variables/detail", "characters"),
            ({**COMPLETE, "detail": "a\x00b"}, "/variables/detail", "characters"),
            ({**COMPLETE, "detail": "{{ color }}"}, "/variables/detail", "characters"),
            ({**COMPLETE, "detail": "a AND b"}, "/variables/detail", "characters"),
            ([], "/variables", "type"),
            ("color=red", "/variables", "type"),
            (None, "/variables", "type"),
        ],
    )
    def test_that_do_not_fit_are_named_with_their_rule(
        self, variables: Any, pointer: str, rule: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            compiling.compile_prompt(content(), variables)
        assert (refused.value.pointer, refused.value.facts["rule"]) == (pointer, rule)
        assert refused.value.detail.endswith(".")

    def test_are_all_told_at_once_in_the_form_s_order(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            compiling.compile_prompt(content(), {"detail": "(", "color": "mauve", "more": 1})
        assert [each["pointer"] for each in refused.value.facts["errors"]] == [
            "/variables/object",
            "/variables/color",
            "/variables/detail",
            "/variables/more",
        ]

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_that_are_no_finite_number_are_refused(self, value: Any) -> None:
        declared = {"type": "number", "minimum": 0, "maximum": 1}
        made = content(schema=schema_with("share", declared, ["share"]))
        with pytest.raises(InvalidInput) as refused:
            compiling.compile_prompt(made, {**COMPLETE, "share": value})
        assert refused.value.pointer == "/variables/share"


class TestValidateContent:
    def test_accepts_the_example(self) -> None:
        compiling.validate_content(content(name="Hero shot"))

    @pytest.mark.parametrize("key", sorted(content()))
    def test_needs_every_part(self, key: str) -> None:
        made = content()
        del made[key]
        assert (f"/{key}", "required") in [
            (p.pointer, p.rule) for p in compiling.content_problems(made)
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "{% for i in range(9) %}x{% endfor %}",
            "{% if color %}x{% endif %}",
            "{% set color = 1 %}",
            "{% raw %}{{ x }}{% endraw %}",
            "{% include 'x' %}",
            "{# hidden #} {{ color }}",
            "{{ color.upper() }}",
            "{{ color.__class__ }}",
            "{{ color['x'] }}",
            "{{ color ~ object }}",
            "{{ color * 99 }}",
            "{{ 'text' }}",
            "{{ range(9) }}",
            "{{ color | attr('x') }}",
            "{{ color | upper }}",
            "{{ color | lower('x') }}",
            "{{ color | prefixed }}",
            "{{ color | prefixed(object) }}",
            '{{ color | prefixed(", ") | lower }}',
            "{{ color | lower | lower | lower | lower }}",
            "{{ self }}{{ color }}",
            "{{ color",
            "color }}",
            "{{ {{ color }} }}",
            "{{ " + "(" * 900 + "color" + ")" * 900 + " }}",
        ],
    )
    def test_refuses_everything_but_placeholders(self, text: str) -> None:
        assert problems(prompt=f"{text} {{{{ object }}}}")[0][1] in {"placeholder", "boundary"}

    @pytest.mark.parametrize(
        "text",
        [
            "a{{ color }} {{ object }}",
            "{{ color }}s {{ object }}",
            "{{ color }}{{ object }}",
            "{{ color }}_{{ object }}",
            '{{ color }}{{ object | prefixed("x ") }}',
            '{{ color }}{{ object | prefixed(", x") }}',
            '{{ color }}{{ detail | prefixed(", ") }}{{ object }}',
        ],
    )
    def test_refuses_placeholders_that_could_grow_together(self, text: str) -> None:
        assert ("/prompt", "boundary") in problems(prompt=text)

    @pytest.mark.parametrize("c", ["\n", "\t", "\x00", "\u200b", "\u202e", "\u2028", "\ufeff"])
    def test_refuses_what_a_reviewer_would_not_see(self, c: str) -> None:
        assert problems(prompt=f"{{{{ color }}}} {c} {{{{ object }}}}")
        if c != "\n":
            assert problems(notes=f"a{c}b")

    def test_refuses_words_to_read_that_no_variable_says(self) -> None:
        assert problems(legible=["color"]) == []
        assert problems(legible=["color", "price"]) == [("/legible/1", "undeclared")]

    @pytest.mark.parametrize(
        ("pictures", "found"),
        [
            ({"source": SOURCE, "references": {"minimum": 0, "maximum": 4}}, []),
            ({"source": SOURCE | {"required": True}}, []),
            ({}, [("/pictures", "minProperties")]),
            ({"masks": ["none"]}, [("/pictures/masks", "unknown")]),
            ({"source": SOURCE | {"masks": []}}, [("/pictures/source/masks", "minItems")]),
            ({"source": SOURCE | {"masks": ["all"]}}, [("/pictures/source/masks/0", "enum")]),
            (
                {"source": SOURCE | {"strength": SPAN | {"default": 0.95}}},
                [("/pictures/source/strength/default", "range")],
            ),
            (
                {"source": SOURCE | {"strength": SPAN | {"minimum": 0}}},
                [("/pictures/source/strength/minimum", "minimum")],
            ),
            (
                {"references": {"minimum": 2, "maximum": 1}},
                [("/pictures/references/minimum", "range")],
            ),
            (
                {
                    "source": SOURCE | {"required": True},
                    "references": {"minimum": 1, "maximum": 1},
                },
                [("/pictures", "exclusive")],
            ),
        ],
    )
    def test_refuses_pictures_that_no_order_could_give(
        self, pictures: dict[str, Any], found: list[tuple[str, str]]
    ) -> None:
        assert problems(pictures=pictures) == found

    def test_refuses_undeclared_and_unused_variables(self) -> None:
        assert (
            problems(prompt="{{ color }} {{ object }} {{ size }} {{ detail | prefixed(' ') }}")
            != []
        )
        assert ("/prompt", "undeclared") in problems(
            prompt='{{ color }} {{ object }} {{ size }}{{ detail | prefixed(", ") }}'
        )
        assert ("/schema/properties/detail", "unused") in problems(
            prompt="{{ color }} {{ object }}"
        )

    @pytest.mark.parametrize(
        ("declared", "pointer", "rule"),
        [
            ({"type": "string"}, "", "freeText"),
            ({"type": "string", "x-free-text": False, "maxLength": 9}, "", "freeText"),
            ({"type": "string", "x-free-text": True}, "", "maxLength"),
            ({"type": "string", "x-free-text": True, "maxLength": 201}, "/maxLength", "maximum"),
            ({"type": "string", "pattern": "(a+)+$"}, "/pattern", "unknown"),
            ({"$ref": "#/x", "type": "string"}, "/$ref", "unknown"),
            ({"type": "boolean"}, "/type", "enum"),
            ({"type": "integer"}, "", "bounds"),
            ({"type": "string", "enum": ["a(b"]}, "/enum/0", "characters"),
            ({"type": "string", "enum": [""]}, "/enum/0", "characters"),
            ({"type": "string", "enum": [1]}, "/enum/0", "type"),
            ({"type": "string", "enum": ["a"], "default": "b"}, "/default", "enum"),
        ],
    )
    def test_refuses_a_variable_that_bounds_nothing(
        self, declared: Any, pointer: str, rule: str
    ) -> None:
        found = problems(
            prompt='{{ color }} {{ object }}{{ detail | prefixed(", ") }}, {{ extra }}',
            schema=schema_with("extra", declared, ["extra"]),
            starter=COMPLETE | {"extra": "a"},
        )
        assert (f"/schema/properties/extra{pointer}", rule) in found

    def test_refuses_an_optional_variable_without_a_default(self) -> None:
        schema = schema_with("extra", {"type": "string", "enum": ["a"]})
        assert ("/schema/properties/extra", "default") in problems(
            prompt='{{ color }} {{ object }}{{ detail | prefixed(", ") }} {{ extra }}',
            schema=schema,
        )

    def test_refuses_a_hole_in_the_text(self) -> None:
        assert ("/schema/properties/detail/minLength", "minLength") in problems(
            prompt="{{ color }} {{ object }} {{ detail }}"
        )

    @pytest.mark.parametrize("name", ["self", "not", "__class__", "Color", "a-b", "a" * 41])
    def test_refuses_a_name_that_means_something_else(self, name: str) -> None:
        assert any(
            pointer.startswith("/schema/properties")
            for pointer, _ in problems(schema=schema_with(name, {"type": "string", "enum": ["a"]}))
        )

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"sizes": [{"width": 250, "height": 256}]}, "/sizes/0/width"),
            ({"sizes": [{"width": 4096, "height": 256}]}, "/sizes/0/width"),
            ({"sizes": []}, "/sizes"),
            ({"profiles": []}, "/profiles"),
            ({"profiles": ["../x"]}, "/profiles/0"),
            ({"starter": {"object": "mug"}}, "/starter/color"),
            ({"starter": COMPLETE | {"x": 1}}, "/starter/x"),
            ({"code": "print()"}, "/code"),
        ],
    )
    def test_refuses_choices_that_nobody_could_order(self, changes: Any, pointer: str) -> None:
        assert pointer in [found for found, _ in problems(**changes)]

    def test_refuses_a_default_outside_its_range(self) -> None:
        parameters = content()["parameters"]
        parameters["steps"] = {"minimum": 4, "maximum": 8, "default": 9}
        assert ("/parameters/steps/default", "range") in problems(parameters=parameters)

    def test_refuses_a_number_that_json_does_not_know(self) -> None:
        parameters = content()["parameters"]
        parameters["guidance"] = {"minimum": math.nan, "maximum": 8, "default": 4}
        assert ("/parameters/guidance/minimum", "type") in problems(parameters=parameters)

    @pytest.mark.parametrize("made", [None, [], "x", 3, {"prompt": 3}])
    def test_refuses_what_is_no_content_at_all(self, made: Any) -> None:
        with pytest.raises(InvalidInput):
            compiling.validate_content(made)
