"""The portal's drawings and words: deterministic, safe to embed, complete."""

import re

import pytest
from defusedxml import ElementTree
from imprimatur.web import pictograms, words

from governance.kernel.roles import Role


class TestPlate:
    def test_is_the_same_for_the_same_seed_only(self) -> None:
        assert pictograms.plate("hero") == pictograms.plate("hero")
        assert pictograms.plate("hero") != pictograms.plate("banner")

    def test_wears_the_colors_of_a_brand(self) -> None:
        palette = ("#112233", "#445566", "#778899", "#aabbcc", "#ddeeff")
        drawn = pictograms.plate("hero", palette)
        assert sum(color in drawn for color in palette) == 4
        assert '<rect width="400" height="400" fill="#ddeeff"/>' in drawn

    @pytest.mark.parametrize("color", ['"><script>', "red", "#12345", "#12345g", "#123456\n"])
    def test_takes_nothing_for_a_color_that_is_none(self, color: str) -> None:
        assert color not in pictograms.plate("hero", (color,) * 5)

    def test_carries_no_inline_style(self) -> None:
        assert not re.search(r"style=|<style", pictograms.plate("hero"))


class TestIcons:
    @pytest.mark.parametrize("name", sorted(pictograms.ICONS))
    def test_are_well_formed_and_hidden_from_screen_readers(self, name: str) -> None:
        drawn = ElementTree.fromstring(pictograms.icon(name))
        assert drawn.attrib["aria-hidden"] == "true"

    def test_exist_for_every_state(self) -> None:
        assert {word.icon for word in words.STATES.values()} <= set(pictograms.ICONS)

    def test_draw_a_size_in_its_proportions(self) -> None:
        assert 'width="20.0" height="10.0"' in pictograms.ratio(512, 256)


class TestWords:
    def test_name_every_role(self) -> None:
        assert set(words.ROLES) == set(Role)

    def test_show_an_unknown_state_as_it_is(self) -> None:
        assert words.state("under_water").label == "Under water"

    def test_place_a_score_on_its_own_scale(self) -> None:
        assert words.share("safety", 0.25, 0.8) == 0.25
        assert words.share("prompt_match", 0.0, 0.1) == 0.5
        assert words.share("sharpness", 10.0, 20.0) == 0.25
        assert words.share("sharpness", 900.0, 20.0) == 1.0
        assert words.share("sharpness", 3.0, None) is None
        assert words.share("unheard_of", 1.0, 1.0) is None

    def test_write_a_limit_in_the_direction_of_its_scorer(self) -> None:
        assert words.limit("safety", 0.8) == "< 0.80"
        assert words.limit("sharpness", 20.0) == "≥ 20.00"
        assert words.limit("safety", None) == ""
