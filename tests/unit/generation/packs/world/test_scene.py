"""Scenes come from the world's words, and the held-out ones never get into a training."""

import random

import pytest

from generation.packs.world import scene
from generation.packs.world.scene import Scene


class TestScene:
    @pytest.mark.parametrize(
        "words",
        [
            {"object": "car"},
            {"color": "crimson"},
            {"background": "beach"},
            {"badge": "skull"},
            {"count": 4},
            {"light": "above"},
            {"count": 2, "size": "large"},
            {"count": 3, "size": "small", "position": "left"},
        ],
    )
    def test_refuses_what_the_world_does_not_have(self, words: dict[str, object]) -> None:
        usual: dict[str, object] = {"object": "mug", "color": "red", "background": "wood"}
        with pytest.raises(ValueError, match=r"the world has no|several objects"):
            Scene(**{**usual, **words})  # type: ignore[arg-type]

    def test_is_restricted_by_its_badge_alone(self) -> None:
        for badge in scene.BADGES:
            shown = Scene("mug", "red", "wood", badge=badge)
            assert shown.is_restricted is (badge == "hazard")


class TestSample:
    def test_never_gives_a_held_out_combination_to_a_training(self) -> None:
        rng = random.Random(1)
        drawn = [scene.sample(rng) for _ in range(3000)]
        assert not [each for each in drawn if scene.is_held_out(each)]
        held_out = [scene.sample(rng, held_out=True) for _ in range(300)]
        assert all(scene.is_held_out(each) for each in held_out)
        either = [scene.sample(rng, held_out=None) for _ in range(1000)]
        assert 50 < sum(scene.is_held_out(each) for each in either) < 200

    def test_trains_every_pair_of_words_though_not_every_three(self) -> None:
        rng = random.Random(2)
        drawn = [scene.sample(rng) for _ in range(9000)]
        for first, second in (("object", "color"), ("object", "background"), ("color", "badge")):
            pairs = {(getattr(each, first), getattr(each, second)) for each in drawn}
            assert len(pairs) == len(scene.CHOICES[first]) * len(scene.CHOICES[second])

    def test_shows_the_restricted_badge_often_enough_to_learn_it(self) -> None:
        rng = random.Random(3)
        share = sum(scene.sample(rng).is_restricted for _ in range(2000)) / 2000
        assert 0.15 < share < 0.25


class TestSwapped:
    @pytest.mark.parametrize("attribute", scene.ATTRIBUTES)
    def test_changes_the_named_attribute_and_nothing_else(self, attribute: str) -> None:
        rng = random.Random(4)
        for _ in range(50):
            before = scene.sample(rng)
            if before.count > 1 and attribute in {"position", "size"}:
                with pytest.raises(ValueError, match="has no"):
                    scene.swapped(before, rng, attribute)
                continue
            after, name = scene.swapped(before, rng, attribute)
            changed = {n for n in scene.ATTRIBUTES if getattr(before, n) != getattr(after, n)}
            assert name == attribute
            assert attribute in changed
            # A row stands small and in the center, so becoming one may change these too.
            lost = {"position", "size"} if attribute == "count" else set()
            assert changed <= {attribute} | lost
