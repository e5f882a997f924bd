"""Evidence in words and drawings: sound whatever a scorer wrote, safe to embed, failing first."""

import re
from typing import Any
from uuid import UUID

import pytest
from defusedxml import ElementTree
from imprimatur.web import overlays, plots
from imprimatur.web.screens import findings
from imprimatur.web.templatetags import portal

from generation.assets.selectors import AssetRecord, ScoreRecord
from tests.factories.review import NOW

ONE = UUID(int=1)
BOX = {"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4, "label": "hazard_sign", "score": 0.9}
HEAT = {"rows": 1, "columns": 2, "values": [0.1, 0.9]}


def score(**changes: Any) -> ScoreRecord:
    """Return a score that passed."""
    facts: dict[str, Any] = {
        "scorer": "safety",
        "version": "1",
        "weights_sha256": "",
        "value": 0.2,
        "threshold": 0.8,
        "verdict": "pass",
        "reason": "",
        "policy_id": ONE,
        "evidence": {},
    }
    return ScoreRecord(**{**facts, **changes})


def shown(*scores: ScoreRecord, twins: Any = None) -> list[dict[str, Any]]:
    """Return an asset's findings."""
    asset = AssetRecord(
        id=ONE, brand_id=ONE, item_id=ONE, job_id=ONE, subject_id=ONE, sha256="", width_px=200,
        height_px=100, size_bytes=1, media_type="image/png", recipe=b"", recipe_sha256="",
        created_at=NOW, scores=scores,
    )  # fmt: skip
    return findings.of(asset, twins or {})


class TestOf:
    def test_puts_the_strictest_verdict_first(self) -> None:
        verdicts = ["pass", "flag", "refuse", "hold"]
        found = shown(*(score(scorer=each, verdict=each) for each in verdicts))
        assert [each["verdict"] for each in found] == ["refuse", "hold", "flag", "pass"]
        assert [bool(each["who"]) for each in found] == [True, True, True, False]

    def test_takes_limit_range_and_direction_from_the_record(self) -> None:
        (found,) = shown(
            score(scorer="brightness", title="Brightness", higher_is="better", low=0, high=2)
        )
        assert (found["name"], found["limit"], found["range"]) == ("Brightness", "≥ 0.80", "0 – 2")
        assert (found["share"], found["limit_share"]) == (0.1, 0.4)

    def test_names_an_open_end(self) -> None:
        (found,) = shown(score(higher_is="better", low=0.0, value=0.4))
        assert (found["range"], found["share"]) == ("0 – ∞", 0.25)

    def test_reads_each_reserved_key(self) -> None:
        (found,) = shown(
            score(
                evidence={
                    "boxes": [BOX],
                    "heat": HEAT,
                    "colors": [
                        {"hex": "#112233", "share": 0.4, "nearest": "#445566", "delta_e": 12.5}
                    ],
                    "words": {"wanted": "SALE", "read": "SLE", "missing": ["SALE"]},
                    "duplicate": {"asset_id": str(ONE), "distance": 3, "similarity": 0.99},
                    "blur": 0.123456,
                    "by_label": {"allowed": 0.25},
                    "licence": "MIT",
                }
            )
        )
        assert found["boxes"][0] | {"where": ""} == {
            "x": "20.0", "y": "20.0", "width": "60.0", "height": "40.0",
            "label": "hazard sign", "score": 0.9, "where": "",
        }  # fmt: skip
        assert found["heat"]["where"] == "hottest 75 % from the left, 50 % from the top"
        assert found["colors"][0]["percent"] == 40
        assert found["words"] == {"wanted": "SALE", "read": "SLE", "missing": "SALE"}
        assert found["duplicate"]["image"] is None
        assert {each["name"]: each["text"] for each in found["facts"]} == {
            "blur": "0.1235",
            "by label: allowed": "0.25",
        }

    @pytest.mark.parametrize(
        "evidence",
        [
            {"boxes": [{**BOX, "x": "1"}, {**BOX, "width": 2}, "box", None]},
            {"boxes": "all"},
            {"heat": {"rows": 2, "columns": 2, "values": [0.1]}},
            {"heat": {"rows": 0, "columns": 0, "values": []}},
            {"heat": [1]},
            {"colors": [{"hex": '"><script>', "nearest": "#112233"}, {"hex": "#112233"}]},
            {"words": "none"},
            {"duplicate": {"asset_id": "no id"}},
            {"duplicate": 1},
        ],
    )
    def test_draws_nothing_of_what_has_another_shape(self, evidence: dict[str, Any]) -> None:
        (found,) = shown(score(evidence=evidence))
        assert not found["is_drawn"]
        assert not found["colors"]


class TestOverlay:
    def test_is_well_formed_and_has_no_inline_style(self) -> None:
        (found,) = shown(score(evidence={"boxes": [BOX], "heat": HEAT}))
        drawn = overlays.overlay(found, 200, 100, is_hidden=True)
        root = ElementTree.fromstring(drawn.replace(" hidden>", ">"))
        assert len(root) == 3
        assert not re.search(r"style=|<style", drawn)

    @pytest.mark.parametrize(
        ("rows", "columns"), [(1, 1), (1, 128), (128, 128), (33, 31), (64, 65), (7, 100)]
    )
    def test_keeps_the_hottest_place_of_any_grid(self, rows: int, columns: int) -> None:
        values = [(place * 7919 % 1009) / 1009 for place in range(rows * columns)]
        small_rows, small_columns, pooled = overlays.pooled(rows, columns, values)
        assert len(pooled) == small_rows * small_columns <= 32 * 32
        assert max(pooled) == max(values)


class TestSwatch:
    def test_takes_nothing_for_a_color_that_is_none(self) -> None:
        assert "script" not in portal.swatch('"><script>', "#112233")


class TestPlots:
    def test_have_a_title_a_description_and_no_inline_style(self) -> None:
        drawn = [
            plots.back_to_back(
                [1, 2], [3, 0], ends=(0, 1), limit=0.5, title="<a>", description="b"
            ),
            plots.dots(
                [plots.Dot("11", 0.7, 0.6, 0.8), plots.Dot("12", None)],
                title="<a>",
                description="b",
                guide=0.5,
            ),
            plots.back_to_back([], [], ends=(1, 1), limit=None, title="<a>", description="b"),
            plots.dots([], title="<a>", description="b", guide=0.5),
        ]
        for each in drawn:
            root = ElementTree.fromstring(each)
            assert [root[0].text, root[1].text] == ["<a>", "b"]
            assert root.attrib["role"] == "img"
            assert "style=" not in each
