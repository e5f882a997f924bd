"""Concepts are compared by the suite's own encoder, and only by words that it read to the end."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generation.packs.manifest import Pack
from generation.scoring import concepts, conformance
from generation.scoring.concepts import Calibration, Concepts
from generation.scoring.embedding import Encoder
from generation.scoring.protocol import Concept, Sample, ScorerEntry, ScorerUnavailable
from governance.kernel.errors import InvalidInput
from tests.unit.generation.scoring.images import checkers, flat, halves

HAZARD = Concept("hazard", ("a hazard sign", "a warning badge"), ("a gold star",))
WEAPON = Concept("weapon", ("a knife",))


@pytest.fixture(scope="module")
def entry(demo_pack: Pack) -> ScorerEntry:
    """The entry of a concept scorer on the demo pack's encoder."""
    clip = next(each for each in demo_pack.scorers if each.kind == "prompt_match")
    return ScorerEntry("concepts", clip.folder, clip.snapshot_sha256, clip.licence)


@pytest.fixture(scope="module")
def scorer(demo_pack: Pack, entry: ScorerEntry) -> Concepts:
    return made(demo_pack, entry)


def made(pack: Pack, entry: ScorerEntry, **settings: object) -> Concepts:
    built = concepts.build(dataclasses.replace(entry, settings=settings), pack.folder, "cpu")
    assert isinstance(built, Concepts)
    return built


def sample(encoder: Encoder, image: Any, *wanted: Concept) -> Sample:
    """Make a sample as the suite does."""
    return Sample(image, concepts=wanted, embedding=encoder.embed_image(image))


class TestScore:
    def test_is_the_softmax_of_the_likeliest_concept(self, scorer: Concepts) -> None:
        one = sample(scorer.encoder, checkers(8), HAZARD, WEAPON)
        said = scorer.score([one])[0]
        assert one.embedding is not None
        expected = {}
        for concept in (HAZARD, WEAPON):
            mean = scorer.encoder.embed_texts(concept.prompts).mean(axis=0)
            others = scorer.encoder.embed_texts((*concept.against, *concepts.NEUTRAL))
            logits = scorer.encoder.logit_scale * np.array(
                [mean @ one.embedding / np.linalg.norm(mean), *(others @ one.embedding)]
            )
            shares = np.exp(logits - logits.max())
            expected[concept.name] = float(shares[0] / shares.sum())
        assert said.evidence["probabilities"] == pytest.approx(expected, abs=1e-4)
        assert said.value == pytest.approx(max(expected.values()), abs=1e-4)
        assert said.evidence["likeliest"] == max(expected, key=lambda name: expected[name])

    def test_finds_a_concept_that_the_image_is_closer_to(self, scorer: Concepts) -> None:
        """Random weights mean nothing; but they are nearest to what they say themselves."""
        one = sample(scorer.encoder, halves(0, 255), HAZARD)
        plain = scorer.score([one])[0].value
        assert one.embedding is not None
        direction = scorer.encoder.embed_texts(HAZARD.prompts).mean(axis=0)
        nearer = one.embedding + 2 * direction
        moved = dataclasses.replace(one, embedding=nearer / np.linalg.norm(nearer))
        assert scorer.score([moved])[0].value > plain

    def test_repeats_itself_alone_in_a_group_and_anew(
        self, scorer: Concepts, demo_pack: Pack, entry: ScorerEntry
    ) -> None:
        group = [sample(scorer.encoder, i, HAZARD, WEAPON) for i in (checkers(8), flat(9))]
        together = scorer.score(group)
        assert together == [scorer.score([each])[0] for each in group]
        assert together == made(demo_pack, entry).score(group)

    def test_gives_zero_if_nothing_is_looked_for(self, scorer: Concepts) -> None:
        said = scorer.score([Sample(flat(9))])[0]
        assert (said.value, said.evidence["concepts"]) == (0.0, 0)

    def test_measures_nothing_without_an_embedding(self, scorer: Concepts) -> None:
        with pytest.raises(ScorerUnavailable, match="no embedding"):
            scorer.score([Sample(flat(9), concepts=(HAZARD,))])

    def test_measures_nothing_by_half_a_prompt(self, scorer: Concepts) -> None:
        long = Concept("long", ("a very " * 60 + "small hazard sign",))
        with pytest.raises(ScorerUnavailable, match="cannot read all of the concept prompt"):
            scorer.score([sample(scorer.encoder, flat(9), long)])

    def test_shows_where_from_a_value_on(self, demo_pack: Pack, entry: ScorerEntry) -> None:
        shown = made(demo_pack, entry, explain_from=0.0, grid=3)
        said: Any = shown.score([sample(shown.encoder, halves(0, 255), HAZARD)])[0].evidence
        assert len(said["heat"]["values"]) == 9
        assert said["boxes"][0]["label"] == "hazard"
        hidden = made(demo_pack, entry, explain_from=1.0)
        assert "heat" not in hidden.score([sample(hidden.encoder, flat(9), HAZARD)])[0].evidence

    def test_records_what_decided(self, scorer: Concepts) -> None:
        def recorded(*wanted: Concept) -> object:
            one = sample(scorer.encoder, flat(9), *wanted)
            return scorer.score([one])[0].evidence["concepts_sha256"]

        reworded = dataclasses.replace(HAZARD, against=())
        assert len({recorded(HAZARD), recorded(reworded), recorded(WEAPON)}) == 3
        assert recorded(HAZARD) == recorded(HAZARD)


class TestTheKit:
    def test_is_passed(self, demo_pack: Pack, entry: ScorerEntry, scorer: Concepts) -> None:
        width = scorer.encoder.embed_image(flat(9)).shape[0]
        folder = entry.resolve(demo_pack.folder)
        assert conformance.check(scorer, folder=folder, embedding_width=width) == []


class TestCalibration:
    def test_leads_to_another_value_and_digest_and_keeps_the_order(
        self, demo_pack: Pack, entry: ScorerEntry, scorer: Concepts
    ) -> None:
        steep = made(demo_pack, entry, scale=2.0, offset=-1.0)
        group = [sample(scorer.encoder, i, HAZARD) for i in (checkers(8), flat(9), halves(9, 200))]
        usual, other = scorer.score(group), steep.score(group)
        order = [sorted(range(3), key=lambda i: said[i].value) for said in (usual, other)]
        assert order[0] == order[1]
        assert usual[0].value != other[0].value
        assert usual[0].evidence["concepts_sha256"] != other[0].evidence["concepts_sha256"]

    @pytest.mark.parametrize("margin", [-1e308, -1.0, 0.0, 1.0, 1e308])
    def test_stays_a_probability(self, margin: float) -> None:
        assert 0.0 <= Calibration(3.0, 2.0).apply(margin) <= 1.0

    @pytest.mark.parametrize(
        "settings",
        [
            {"scale": 0},
            {"scale": -1.0},
            {"scale": math.inf},
            {"offset": "1"},
            {"offset": True},
            {"neutral": []},
            {"neutral": "a photo"},
            {"neutral": ["a photo", ""]},
            {"neutral": [3]},
            {"grid": 99},
            {"neutrals": ["a photo"]},
        ],
    )
    def test_refuses_settings_that_are_none(
        self, demo_pack: Pack, entry: ScorerEntry, settings: dict[str, object]
    ) -> None:
        with pytest.raises(ScorerUnavailable):
            made(demo_pack, entry, **settings)


class TestBuild:
    def test_shares_the_encoder_of_the_prompt_match(
        self, demo_pack: Pack, entry: ScorerEntry, scorer: Concepts
    ) -> None:
        from generation.scoring import prompt_match

        match: Any = prompt_match.build(entry, demo_pack.folder, "cpu")
        assert match.encoder is scorer.encoder

    def test_takes_the_id_of_its_entry(self, demo_pack: Pack, entry: ScorerEntry) -> None:
        named = dataclasses.replace(entry, id="brand_concepts")
        assert concepts.build(named, demo_pack.folder, "cpu").id == "brand_concepts"

    def test_refuses_a_folder_outside(self, entry: ScorerEntry, tmp_path: Path) -> None:
        with pytest.raises(ScorerUnavailable, match="not inside of its pack"):
            concepts.build(dataclasses.replace(entry, folder="../clip"), tmp_path, "cpu")


class TestRead:
    def test_reads_what_a_policy_stores(self) -> None:
        data = [
            {"name": "hazard", "prompts": list(HAZARD.prompts), "against": ["a gold star"]},
            {"name": "weapon", "prompts": ["a knife"]},
        ]
        assert concepts.read(data) == (HAZARD, WEAPON)
        assert concepts.read([]) == ()

    @pytest.mark.parametrize(
        ("data", "pointer"),
        [
            ("hazard", "/concepts"),
            ([{"name": str(n), "prompts": ["x"]} for n in range(41)], "/concepts"),
            (["hazard"], "/concepts/0"),
            ([{"name": "", "prompts": ["x"]}], "/concepts/0/name"),
            ([{"name": "x" * 61, "prompts": ["x"]}], "/concepts/0/name"),
            ([{"name": 3, "prompts": ["x"]}], "/concepts/0/name"),
            ([{"name": "a"}], "/concepts/0/prompts"),
            ([{"name": "a", "prompts": []}], "/concepts/0/prompts"),
            ([{"name": "a", "prompts": ["x" * 201]}], "/concepts/0/prompts"),
            ([{"name": "a", "prompts": "x"}], "/concepts/0/prompts"),
            ([{"name": "a", "prompts": ["x"], "against": [None]}], "/concepts/0/against"),
            ([{"name": "a", "prompts": ["x"], "color": "red"}], "/concepts/0/color"),
            (
                [{"name": "a", "prompts": ["x"]}, {"name": "a", "prompts": ["y"]}],
                "/concepts/1/name",
            ),
        ],
    )
    def test_refuses_what_is_no_concept(self, data: object, pointer: str) -> None:
        with pytest.raises(InvalidInput) as error:
            concepts.read(data)
        assert error.value.pointer == pointer
