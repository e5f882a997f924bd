"""A recipe that was written reads back as exactly what was made, and a broken one is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.jobs import classes, recipes, rendering, worker
from generation.jobs.errors import NotReplayable, RecipeUnreadable
from governance.kernel.digests import sha256_hex
from tests.unit.generation.jobs.test_recipe import CLAIM, PROMPT, RESULT

# A number that no short text holds.
EXACT = replace(CLAIM, guidance=0.1 + 0.2)


@pytest.fixture
def written(settings: Any) -> bytes:
    settings.MODELS_FOLDER = "/srv/private/models"
    return worker._recipe(EXACT, worker._spec(EXACT, PROMPT), RESULT)


def read(data: bytes) -> Any:
    return recipes.read(data, sha256_hex(data))


def changed(data: bytes, **changes: Any) -> bytes:
    recipe = json.loads(data)
    for name, value in changes.items():
        if value is None:
            del recipe[name]
        else:
            recipe[name] = value
    return json.dumps(recipe).encode()


class TestRead:
    def test_leads_to_the_spec_that_was_rendered(self, written: bytes) -> None:
        recipe = read(written)
        assert recipe.prompt_sealed == CLAIM.prompt_sealed
        assert recipe.pixels == (RESULT.pixels_sha256,)
        again = rendering.spec(recipe.making, PROMPT)
        assert again == worker._spec(EXACT, PROMPT)
        assert again.guidance == 0.1 + 0.2
        assert again.folder == Path("/srv/private/models/demo/sd3")

    def test_keeps_how_the_model_was_handled(self, written: bytes) -> None:
        assert json.loads(written)["handling"] == "resident"
        tiled = changed(written, handling="resident+vae_tiling+own_bits")
        assert rendering.spec(read(tiled).making, PROMPT).handling == "resident+vae_tiling+own_bits"
        before = changed(written, handling=None)
        assert rendering.spec(read(before).making, PROMPT).handling == "resident"

    def test_joins_what_the_engine_and_the_encoder_said(self, written: bytes) -> None:
        assert read(written).facts == {**RESULT.facts, **rendering.encoder_facts()}

    def test_takes_a_recipe_from_before_the_encoder_was_recorded(self, written: bytes) -> None:
        assert read(changed(written, encoder=None)).facts == dict(RESULT.facts)

    def test_refuses_other_bytes_than_were_recorded(self, written: bytes) -> None:
        with pytest.raises(RecipeUnreadable, match="not the one that was recorded"):
            recipes.read(written + b" ", sha256_hex(written))

    def test_refuses_a_later_version(self, written: bytes) -> None:
        with pytest.raises(RecipeUnreadable, match="a version"):
            read(changed(written, v=2))

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": None},
            {"seed": "many"},
            {"profile": "demo"},
            {"profile": {}},
            {"prompt_sealed": "no hex"},
            {"facts": None},
            {"facts": 7},
            {"adapters": [{"folder": "looks"}]},
        ],
        ids=str,
    )
    def test_refuses_what_lacks_a_part(self, written: bytes, change: dict[str, Any]) -> None:
        with pytest.raises(RecipeUnreadable, match="lacks"):
            read(changed(written, **change))

    @pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b'"v"'])
    def test_refuses_what_is_no_recipe(self, data: bytes) -> None:
        with pytest.raises(RecipeUnreadable):
            read(data)


FACTS = {
    "cpu.capability": "AVX2",
    "cpu.model": "X",
    "device": "cpu",
    "device.name": "cpu",
    "dtype": "float32",
    "engine": "sd3/1",
    "library.torch": "2.13.0",
    "machine": "x86_64",
    "python": "3.11.7",
    "torch.threads": "1",
}


class TestRequireReplayable:
    @pytest.mark.parametrize("facts", [{}, {"replayable": "yes", "endpoint": "in_process"}])
    def test_lets_pass_what_was_made_in_process(self, facts: dict[str, str]) -> None:
        recipes.require_replayable(json.dumps({"facts": facts}).encode())

    @pytest.mark.parametrize("said", ["no", "", "perhaps", None])
    def test_refuses_what_its_endpoint_cannot_make_again(self, said: str | None) -> None:
        facts = {"replayable": said, "endpoint": "studio@1"}
        with pytest.raises(NotReplayable) as refused:
            recipes.require_replayable(json.dumps({"facts": facts}).encode())
        assert "studio@1" in refused.value.detail

    def test_refuses_what_names_an_endpoint_whatever_else_it_says(self) -> None:
        recipe = {"pipeline": "endpoint:studio@1", "facts": {"replayable": "yes"}}
        with pytest.raises(NotReplayable):
            recipes.require_replayable(json.dumps(recipe).encode())

    @pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"facts": 7}'])
    def test_leaves_what_cannot_be_read_to_the_reader(self, data: bytes) -> None:
        recipes.require_replayable(data)
        with pytest.raises(RecipeUnreadable):
            read(data)


class TestClassOf:
    @pytest.mark.parametrize("name", FACTS)
    def test_depends_on_what_decides_bytes(self, name: str) -> None:
        other = classes.class_of(FACTS | {name: "other"})
        assert other.sha256 != classes.class_of(FACTS).sha256

    @pytest.mark.parametrize(
        "name", ["snapshot.sha256", "scheduler", "pipeline", "control.map_sha256", "library.pillow"]
    )
    def test_does_not_depend_on_what_the_recipe_says_anyway(self, name: str) -> None:
        assert classes.class_of(FACTS | {name: "x"}) == classes.class_of(FACTS)

    def test_asks_for_the_processor_only_where_it_calculates(self) -> None:
        on_cuda = FACTS | {"device": "cuda:0", "device.name": "H200"}
        assert classes.class_of(on_cuda) == classes.class_of(on_cuda | {"cpu.model": "Y"})
        assert classes.class_of(on_cuda) == classes.class_of(on_cuda | {"device": "cuda:1"})

    def test_names_what_changed(self) -> None:
        then = classes.class_of({**FACTS, "cuda": "12.8"})
        now = classes.class_of({**FACTS, "python": "3.12.1"})
        assert classes.changed(then, now) == [
            {"fact": "cuda", "then": "12.8", "now": ""},
            {"fact": "python", "then": "3.11.7", "now": "3.12.1"},
        ]
