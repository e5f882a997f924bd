"""The calibration command prints one line for each scorer, and names nobody."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories import jobs as make

pytestmark = pytest.mark.django_db


def test_prints_a_line_for_each_scorer_and_dashes_for_too_few(
    settings: Any, tmp_path: Path
) -> None:
    make.use_blobs(settings, tmp_path / "blobs")
    shop = make.shop()
    make.finish(make.claimed(shop.order().items[0]))
    out = StringIO()
    call_command("calibration", shop.studio.brand.slug, stdout=out)
    first, head, line, *_ = out.getvalue().splitlines()
    assert "the last 1 images, 0 decided by people" in first
    assert head.split()[:3] == ["scorer", "version", "images"]
    assert line.split() == ["sharpness", "1", "1", "0", "0", "-", "-", "-", "-"]


def test_says_that_there_is_no_such_brand() -> None:
    with pytest.raises(CommandError, match="No brand has the slug nowhere"):
        call_command("calibration", "nowhere")
