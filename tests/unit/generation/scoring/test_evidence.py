"""What is kept as evidence has the shapes that screens draw, and no more than they can bear."""

import json
import math
from typing import Any

import numpy as np
import pytest

from generation.scoring import evidence

BOX = {"x": 0.1, "y": 0, "width": 0.5, "height": 1, "label": "face", "score": 0.9}
HEAT = {"rows": 1, "columns": 2, "values": [0, 1.0]}
COLOR = {"hex": "#FF0000", "share": 0.5, "nearest": "#ee0000", "delta_e": 3.2}
WORDS = {"wanted": ["SALE"], "read": "SAIE", "missing": ["SALE"]}
DUPLICATE = {"asset_id": "a", "distance": 2, "similarity": None}


class TestTidy:
    def test_keeps_every_reserved_shape(self) -> None:
        shown = {
            "boxes": [BOX],
            "heat": HEAT,
            "colors": [COLOR],
            "words": WORDS,
            "duplicate": DUPLICATE,
            "note": "a word",
            "shares": {"a": 0.5},
        }
        assert evidence.tidy(shown) == shown

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("boxes", [{**BOX, "x": 1.1}]),
            ("boxes", [{**BOX, "width": "1"}]),
            ("boxes", [{**BOX, "label": 3}]),
            ("boxes", [BOX] * 201),
            ("boxes", BOX),
            ("heat", {**HEAT, "rows": 2}),
            ("heat", {**HEAT, "rows": 0, "values": []}),
            ("heat", {**HEAT, "values": [0, math.nan]}),
            ("heat", {**HEAT, "values": [0, 2]}),
            ("heat", [[0, 1]]),
            ("colors", [{**COLOR, "hex": "red"}]),
            ("colors", [{**COLOR, "share": 2}]),
            ("colors", [{**COLOR, "nearest": "javascript:"}]),
            ("words", ["SALE"]),
            ("words", {"wanted": [1]}),
            ("duplicate", {"asset_id": 7}),
            ("duplicate", {**DUPLICATE, "distance": "2"}),
        ],
    )
    def test_leaves_out_what_has_another_shape(self, key: str, value: Any) -> None:
        assert evidence.tidy({key: value, "mean": 1}) == {"mean": 1, "left_out": [key]}

    def test_leaves_out_the_largest_until_the_rest_is_small(self) -> None:
        shown = {"small": 1, "large": ["x" * 400] * 200, "larger": ["x" * 500] * 200}
        assert evidence.tidy(shown) == {"small": 1, "left_out": ["large", "larger"]}

    def test_lets_no_scorer_write_what_was_left_out(self) -> None:
        assert evidence.tidy({"left_out": []}) == {"left_out": ["left_out"]}

    def test_gives_json_whatever_it_was_given(self) -> None:
        odd = {
            "array": np.ones(3),
            "scalar": np.float32(0.5),
            "nan": math.nan,
            "object": object(),
            "deep": [[[[[[1]]]]]],
            7: "key",
            "text": "x" * 9000,
        }
        shown = evidence.tidy(odd)
        assert json.loads(json.dumps(shown, allow_nan=False)) == shown
        assert (shown["scalar"], shown["nan"], shown["7"]) == (0.5, "nan", "key")
        assert len(str(shown["text"])) == 500
