"""Pairs of captions differ in what they are meant to differ in, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from generation.packs.training import examples
from generation.packs.training.contrastive_loss import SILENT
from generation.packs.world.scene import Scene, is_held_out

MUG = Scene("mug", "red", "wood", badge="star", position="left", light="right", size="small")


class TestTellApart:
    @pytest.mark.parametrize("attribute", examples.NAMES)
    def test_changes_one_attribute_that_both_captions_name(self, attribute: str) -> None:
        rng = np.random.default_rng(3)
        for _ in range(20):
            pair = examples.tell_apart(MUG, rng, attribute)
            place = examples.NAMES.index(attribute)
            assert pair.true.text != pair.changed.text
            assert SILENT not in (pair.true.labels[place], pair.changed.labels[place])
            assert pair.true.labels[place] != pair.changed.labels[place]
            if attribute != "count":
                others = [at for at in range(len(examples.NAMES)) if at != place]
                assert all(pair.true.labels[at] == pair.changed.labels[at] for at in others)

    def test_says_only_what_is_true_of_the_scene(self) -> None:
        rng, label = np.random.default_rng(4), examples.label(MUG)
        for _ in range(50):
            said = examples.tell_apart(MUG, rng).true.labels
            assert all(each in (SILENT, true) for each, true in zip(said, label, strict=True))

    def test_refuses_to_move_a_row_which_has_no_position(self) -> None:
        row = Scene("mug", "red", "wood", count=2, size="small")
        with pytest.raises(ValueError, match="position"):
            examples.tell_apart(row, np.random.default_rng(5), "position")


class TestRender:
    def test_draws_the_same_again_and_keeps_training_and_held_out_apart(
        self, tmp_path: Path
    ) -> None:
        first = examples.render(tmp_path / "a", 6, 1)
        again = examples.render(tmp_path / "b", 6, 1)
        kept = examples.render(tmp_path / "a", 6, 1)
        held_out = examples.render(tmp_path / "a", 6, 1, held_out=True)
        assert np.array_equal(first.pixels, again.pixels)
        assert list(kept.scenes) == list(first.scenes) == list(again.scenes)
        assert not any(is_held_out(each) for each in first.scenes)
        assert all(is_held_out(each) for each in held_out.scenes)
        assert first.pixels.shape == (6, examples.RENDER_PX, examples.RENDER_PX, 3)
