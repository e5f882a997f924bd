"""What a folder's weights take is told by the headers, and is what loading them takes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generation.packs.manifest import Pack
from generation.weights import sizes
from generation.weights.sizes import PartSize


class TestMeasure:
    def test_counts_numbers_apart_from_what_no_format_changes(self, tmp_path: Path) -> None:
        (tmp_path / "vae").mkdir()
        weights = {"a": torch.zeros(2, 3), "b": torch.zeros(5, dtype=torch.bfloat16)}
        save_file(
            weights | {"ids": torch.zeros(4, dtype=torch.int64)}, tmp_path / "vae" / "1.safetensors"
        )
        save_file({"c": torch.zeros(())}, tmp_path / "vae" / "2.safetensors")
        assert sizes.measure(tmp_path) == {"vae": PartSize(numbers=12, other_bytes=32)}

    def test_names_the_parts_of_a_pipeline(self, demo_pack: Pack) -> None:
        found = sizes.measure(demo_pack.model.folder)
        assert {"transformer", "vae", "text_encoder"} <= set(found)

    def test_finds_nothing_where_nothing_is(self, tmp_path: Path) -> None:
        assert sizes.measure(tmp_path / "gone") == {}

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff" * 64,
            b"\x05" + b"\x00" * 7 + b"[1,2]",
            b"\x2a" + b"\x00" * 7 + b'{"a":{"dtype":"F1024","shape":[2]},  "b":3}',
        ],
    )
    def test_refuses_what_does_not_say_what_is_in_it(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "x.safetensors").write_bytes(data)
        with pytest.raises(sizes.WeightsUnreadable, match="Copy it again"):
            sizes.measure(tmp_path)
