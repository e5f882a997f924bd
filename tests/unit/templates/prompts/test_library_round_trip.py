"""Whatever may be drafted is exported, imported and exported again without a byte of difference."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from templates.prompts import compile as compiling
from templates.prompts import library
from templates.prompts.content import canonical, restore

FILES = sorted(library.FOLDER.glob("*/templates/*.yaml"))
# Any Unicode, and what YAML, JSON or a line break could turn into something else.
ODD = ("yes", "1e3", "~", "0x1f", "- a", "a: b", "# a", "'", '"', "a  b", " a", "a ", "a\nb\n\nc",
       "\n", "a\n", "  a\n b", "\U0001f36f", "\u4e2d\u6587", "e\u0301", "\u05e9\u05dc", "%a", "@a",
       "&a", "*a", "!a", "|", ">", "{a}", "[a]", "?", ": ", "---", "...")  # fmt: skip
# Nobody may draft what a reviewer would not see, so it is not drawn here either.
visible = st.text(
    st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")).filter(
        lambda c: c not in compiling.INVISIBLE
    ),
    max_size=60,
)
words = visible | st.lists(st.sampled_from(ODD) | visible, max_size=6).map(" ".join)
line = words.filter(lambda text: text and "\n" not in text).map(lambda text: text[:40])
# A single word of visible letters, as an enum or an example may hold.
choices = st.text("abcxyz\u00e4\u00f6\u4e2d\u6587", min_size=1, max_size=12) | st.sampled_from(
    ["yes", "no", "null", "1e3", "0x1f", "true", "on"]
)
wholes = st.integers(-1000, 1000)
numbers = wholes | st.floats(-1000, 1000, allow_nan=False).map(lambda value: round(value, 3))


def _ordered(values: Any) -> Any:
    return values.map(sorted).map(lambda pair: {"minimum": pair[0], "maximum": pair[1]})


@st.composite
def _variable(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Draw a declaration and a value that it allows."""
    declared: dict[str, Any]
    kind = draw(st.sampled_from(["choice", "free", "integer", "number"]))
    if kind == "choice":
        enum = draw(st.lists(choices, min_size=1, max_size=4, unique=True))
        declared, value = {"type": "string", "enum": enum}, draw(st.sampled_from(enum))
    elif kind == "free":
        value = draw(choices)
        declared = {"type": "string", "x-free-text": True, "minLength": 1, "maxLength": 40}
        declared |= draw(st.sampled_from([{}, {"examples": [value]}, {"default": value}]))
    else:
        numeric = st.lists(
            wholes if kind == "integer" else numbers, min_size=2, max_size=2, unique=True
        )
        declared = {"type": kind, **draw(_ordered(numeric))}
        value = declared["minimum"]
        declared |= draw(st.sampled_from([{}, {"default": value}, {"examples": [value]}]))
    said = {"title": line, "description": words}
    declared |= draw(st.fixed_dictionaries({}, optional=said))
    keys = draw(st.permutations(list(declared)))
    return {key: declared[key] for key in keys}, value


@st.composite
def _contents(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(
        st.lists(
            st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    variables = {name: draw(_variable()) for name in names}
    schema = {
        "type": "object",
        "required": [
            name for name, (declared, _) in variables.items() if "default" not in declared
        ],
        "additionalProperties": False,
        "properties": {name: declared for name, (declared, _value) in variables.items()},
    }
    if draw(st.booleans()):
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    content = {
        "name": draw(line),
        "prompt": "a photo of " + ", ".join(f"{{{{ {name} }}}}" for name in names) + ", soft light",
        "negative": draw(st.sampled_from(["", "text, blurry", "no: text", "- text"])),
        "schema": schema,
        "starter": {name: value for name, (_declared, value) in variables.items()},
        "sizes": [{"width": 256, "height": 512, "label": draw(line)}],
        "parameters": {
            "steps": {"minimum": 4, "maximum": 20, "default": 8},
            "guidance": {"minimum": 1, "maximum": draw(st.sampled_from([6.5, 7, 7.0])),
                         "default": 4.25},
        },
        "profiles": ["demo-sd3"],
    }  # fmt: skip
    content |= draw(st.fixed_dictionaries({}, optional={"notes": words, "description": words}))
    return content


def _exported(path: Path) -> tuple[bytes, str]:
    """Import a file as a version, and export that version: its reviewed bytes, and its file."""
    template = library.read_template(path)
    reviewed = canonical(template.content, name=template.name)
    return reviewed, library.write_template(restore(reviewed.decode()))


def _round_trip(folder: Path, text: str) -> None:
    path = folder / "hero.yaml"
    path.write_text(text, encoding="utf-8")
    reviewed, written = _exported(path)
    path.write_text(written, encoding="utf-8")
    assert _exported(path) == (reviewed, written)


class TestRoundTrip:
    @settings(max_examples=150, deadline=None)
    @given(content=_contents())
    def test_loses_nothing_of_what_may_be_drafted(
        self, tmp_path_factory: Any, content: dict[str, Any]
    ) -> None:
        assume(not compiling.content_problems(content))
        reviewed = canonical(content, name=content["name"])
        written = library.write_template(restore(reviewed.decode()))
        path = tmp_path_factory.getbasetemp() / "hero.yaml"
        path.write_text(written, encoding="utf-8")
        assert _exported(path) == (reviewed, written)

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_loses_nothing_of_a_shipped_template(self, path: Path, tmp_path: Path) -> None:
        _round_trip(tmp_path, path.read_text(encoding="utf-8"))

    def test_would_see_a_loss(self, tmp_path: Path) -> None:
        """The negative control: a writer that folds text without care is found out."""
        (path, *_rest) = FILES
        reviewed, written = _exported(path)
        (tmp_path / path.name).write_text(written.replace("even", "hard"), encoding="utf-8")
        assert _exported(tmp_path / path.name)[0] != reviewed
