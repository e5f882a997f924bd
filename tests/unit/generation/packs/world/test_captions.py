"""Captions say only what is there, in words that the tokenizer knows, and are short enough."""

import random

import pytest

from generation.packs import vocabulary
from generation.packs.training.shapes import build_tokenizer
from generation.packs.world import captions, scene
from generation.packs.world.scene import ATTRIBUTES, Scene

MUG = Scene("mug", "red", "wood", badge="hazard")


class TestCaption:
    def test_is_never_longer_than_the_model_reads(self) -> None:
        tokenizer, rng = build_tokenizer(), random.Random(1)
        drawn = [scene.sample(rng) for _ in range(400)]
        texts = [captions.caption(each, rng, ATTRIBUTES[1:]) for each in drawn]
        texts += [captions.caption(each, rng) for each in drawn]
        assert max(len(tokenizer(text).input_ids) for text in texts) <= captions.MOST_TOKENS

    def test_has_only_words_that_are_one_token(self) -> None:
        rng = random.Random(2)
        words = {
            word
            for _ in range(1500)
            for word in captions.caption(scene.sample(rng), rng).replace(",", "").split()
        }
        assert words <= set(vocabulary.WORDS)

    def test_always_says_badge_and_row(self) -> None:
        rng = random.Random(3)
        for _ in range(300):
            shown = scene.sample(rng)
            text = captions.caption(shown, rng)
            if shown.is_restricted:
                assert "hazard" in text or "warning" in text
            if shown.count > 1:
                assert any(word in text for word in ("two", "three", "pair", "row"))

    def test_tells_what_it_decides(self) -> None:
        rng = random.Random(4)
        decided = [captions.compose(MUG, rng) for _ in range(300)]
        for each in decided:
            assert {"object", "badge", "count"} <= each.named
            assert ("color" in each.named) is ("red" in each.text.split())
        assert {"color" in each.named for each in decided} == {True, False}

    @pytest.mark.parametrize("attribute", ATTRIBUTES)
    def test_names_what_it_is_told_to(self, attribute: str) -> None:
        rng = random.Random(5)
        for _ in range(40):
            shown = scene.sample(rng)
            if shown.count > 1 and attribute in {"position", "size"}:
                continue
            assert attribute in captions.compose(shown, rng, {attribute}).named


class TestCaptionsOfSwap:
    def test_differ_only_in_the_words_of_the_attribute(self) -> None:
        rng = random.Random(6)
        for _ in range(200):
            before = scene.sample(rng)
            after, name = scene.swapped(before, rng)
            right, wrong = captions.captions_of_swap(before, after, name, rng)
            assert right != wrong
            if name in {"color", "object"} and before.count == 1:
                pairs = zip(right.split(), wrong.split(), strict=True)
                assert sum(one != other for one, other in pairs) == 1
