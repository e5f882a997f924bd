"""Packs are read strictly and written without loss; those of the product are sound."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel.errors import InvalidInput
from templates.brands import screening
from templates.prompts import compile as compiling
from templates.prompts import library
from templates.prompts.content import canonical, restore
from tests.factories.templates import RULES, content

PACKS = sorted(path.parent for path in library.FOLDER.glob("*/pack.yaml"))
FILES = sorted(library.FOLDER.glob("*/templates/*.yaml"))
ABOUT = {"format": 1, "name": "Test", "description": "A pack for this test.", "palette": []}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    (folder / "templates").mkdir(parents=True)
    write(folder / "pack.yaml", ABOUT)
    write(folder / "templates" / "hero_shot.yaml", content(name="Hero shot"))
    return folder


def write(path: Path, document: Any) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def errors_of(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        library.read_pack(folder)
    return [(each["pointer"], each["rule"]) for each in refused.value.facts["errors"]]


class TestShippedPacks:
    def test_are_at_least_two(self) -> None:
        assert len(PACKS) >= 2

    @pytest.mark.parametrize("folder", PACKS, ids=lambda path: path.name)
    def test_read_whole_and_explain_themselves(self, folder: Path) -> None:
        pack = library.read_pack(folder)
        assert len(pack.templates) >= 4
        readme = (folder / "README.md").read_text(encoding="utf-8")
        assert all(template.slug in readme for template in pack.templates)

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_are_written_as_the_export_writes_them(self, path: Path) -> None:
        template = library.read_template(path)
        stored = restore(canonical(template.content, name=template.name).decode())
        assert library.write_template(stored) == path.read_text(encoding="utf-8")

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_compile_with_their_starter_values(self, path: Path) -> None:
        template = library.read_template(path)
        compiled = compiling.compile_prompt(template.content, template.content["starter"])
        assert "  " not in compiled.prompt
        assert " ," not in compiled.prompt

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_offer_nothing_that_the_studio_s_rules_refuse(self, path: Path) -> None:
        rules = library.read_pack(library.FOLDER / "product_studio").rules
        properties = library.read_template(path).content["schema"]["properties"]
        choices = {
            f"{name} {choice}": choice
            for name, declared in properties.items()
            for choice in declared.get("enum", declared.get("examples", []))
        }
        assert screening.screen(rules, choices) is None

    def test_judge_by_every_scorer_of_the_demo(self) -> None:
        scoring = library.read_pack(library.FOLDER / "product_studio").scoring
        assert scoring is not None
        assert not scoring.advisory
        assert set(scoring.thresholds) == {
            "concepts",
            "contrast",
            "exposure",
            "near_duplicate",
            "palette",
            "prompt_match",
            "safety",
            "sharpness",
        }


class TestReadPack:
    def test_reads_templates_and_leaves_out_what_is_optional(self, pack: Path) -> None:
        read = library.read_pack(pack)
        assert (read.slug, read.rules, read.scoring) == ("tiny", (), None)
        assert [(each.slug, each.name) for each in read.templates] == [("hero_shot", "Hero shot")]

    def test_reads_rules(self, pack: Path) -> None:
        write(pack / "rules.yaml", RULES)
        assert library.read_pack(pack).rules[0].category == "hazard_sign"

    def test_tells_everything_that_is_wrong_at_once(self, pack: Path) -> None:
        write(pack / "pack.yaml", {**ABOUT, "format": 2})
        write(pack / "rules.yaml", [{"category": "x"}])
        write(pack / "scoring.yaml", {"advisory": "yes", "thresholds": {}})
        write(pack / "templates" / "bad.yaml", content(prompt="{{ nobody }}"))
        found = errors_of(pack)
        assert ("/pack.yaml/format", "const") in found
        assert ("/rules.yaml/0/terms", "required") in found
        assert ("/scoring.yaml/advisory", "type") in found
        assert ("/templates/bad.yaml/prompt", "undeclared") in found
        assert ("/templates/bad.yaml/name", "required") in found

    def test_needs_a_pack_and_a_template(self, pack: Path, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"pack\.yaml"):
            library.read_pack(tmp_path)
        (pack / "templates" / "hero_shot.yaml").unlink()
        assert errors_of(pack) == [("/templates", "minItems")]


class TestReadYaml:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a: 1\na: 2", "stands here twice"),
            ("a: &x [1]\nb: *x", "aliases"),
            ("a: !!python/object/apply:os.system [id]", "constructor"),
            ("a: !!binary aGk=", "constructor"),
            ("1: a", "not text"),
            ("a: [", "line 1"),
            ("a: 1\n--- \nb: 2", "single document"),
            ("a: !!bool maybe", "cannot be read"),
        ],
    )
    def test_refuses_with_file_and_line(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "x.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInput, match=said) as refused:
            library.read_yaml(path)
        assert refused.value.detail.startswith("x.yaml")

    def test_refuses_other_bytes_and_large_files(self, tmp_path: Path) -> None:
        path = tmp_path / "x.yaml"
        path.write_bytes(b"a: \xff")
        with pytest.raises(InvalidInput, match="UTF-8"):
            library.read_yaml(path)
        path.write_bytes(b"a" * (library.MAX_FILE_BYTES + 1))
        with pytest.raises(InvalidInput, match="larger"):
            library.read_yaml(path)

    def test_refuses_nesting_without_end(self, tmp_path: Path) -> None:
        path = tmp_path / "x.yaml"
        path.write_text("[" * 5000, encoding="utf-8")
        with pytest.raises(InvalidInput):
            library.read_yaml(path)

    def test_takes_only_the_types_of_json(self, tmp_path: Path) -> None:
        path = tmp_path / "x.yaml"
        path.write_text("[yes, no, on, 2026-11-20, 0x1f, 012, 1_000, 12:30, true, 3, 1.5, ~]")
        assert library.read_yaml(path) == [
            *("yes", "no", "on", "2026-11-20", "0x1f", "012", "1_000", "12:30"),
            True,
            3,
            1.5,
            None,
        ]


# What a template may hold as notes: everything that can be seen, and words that YAML could misread.
notes = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Cn", "Co", "Zl", "Zp")), max_size=80
) | st.sampled_from(
    [
        "yes",
        "no",
        "1e3",
        "1_000",
        "~",
        "null",
        "0x1f",
        "2026-11-20",
        "- a",
        "a: b",
        "# a",
        "'",
        '"',
        "1.",
        ".5",
    ]
)


class TestWriteTemplate:
    @given(notes=notes, title=notes)
    def test_loses_nothing(self, tmp_path_factory: Any, notes: str, title: str) -> None:
        made = content(name="Hero shot", notes=notes)
        made["schema"]["properties"]["color"]["title"] = title
        path = tmp_path_factory.getbasetemp() / "written.yaml"
        path.write_text(library.write_template(made), encoding="utf-8")
        assert library.read_yaml(path) == made
