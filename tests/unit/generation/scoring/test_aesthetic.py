"""The head reads LAION's shapes and ours, and refuses what it was not trained for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from generation.scoring import aesthetic, conformance
from generation.scoring.protocol import Sample, Scorer, ScorerEntry, ScorerUnavailable
from generation.weights import snapshot

WIDTH = 8


def head(folder: Path, tensors: dict[str, Any], config: dict[str, Any] | None = None) -> Scorer:
    """Save a head and open it as a profile would."""
    path = folder / "head"
    path.mkdir()
    save_file({name: np.asarray(t) for name, t in tensors.items()}, path / "model.safetensors")
    if config is not None:
        (path / "config.json").write_text(json.dumps(config))
    digest = snapshot.digest_folder(path).sha256
    return aesthetic.build(ScorerEntry("aesthetic", "head", digest, "CC0-1.0"), folder, "cpu")


def linear(weight: float = 1.0, bias: float = 5.0) -> dict[str, Any]:
    """LAION's first shape: one layer."""
    return {"weight": np.full((1, WIDTH), weight, np.float32), "bias": np.array([bias], np.float32)}


def mlp(seed: int = 1) -> dict[str, Any]:
    """LAION's second shape: numbered layers, with gaps where the dropout was."""
    random = np.random.default_rng(seed)
    sizes = {0: (16, WIDTH), 2: (4, 16), 12: (1, 4)}
    return {
        f"layers.{number}.{name}": random.normal(size=shape).astype(np.float16)
        for number, (out, into) in sizes.items()
        for name, shape in (("weight", (out, into)), ("bias", (out,)))
    }


def sample(vector: Any = None, encoder: str = "0" * 64) -> Sample:
    first = np.eye(1, WIDTH, dtype=np.float32)[0] if vector is None else vector
    image = Image.new("RGB", (8, 8))
    return Sample(image, embedding=first, text_embedding=first, encoder_sha256=encoder)


class TestAestheticHead:
    def test_reads_one_linear_layer(self, tmp_path: Path) -> None:
        said = head(tmp_path, linear(weight=1.5)).score([sample()])[0]
        assert (said.value, said.evidence) == (6.5, {"raw": 6.5})

    @pytest.mark.parametrize("activation", ["none", "relu"])
    def test_reads_layers_in_the_order_of_their_numbers(
        self, tmp_path: Path, activation: str
    ) -> None:
        tensors = mlp()
        values = sample().embedding
        for number in (0, 2, 12):
            if number and activation == "relu":
                values = np.maximum(values, 0)
            weight = tensors[f"layers.{number}.weight"].astype(np.float64)
            values = weight @ values + tensors[f"layers.{number}.bias"]
        config = {"activation": activation, "range": [-99, 99]}
        said = head(tmp_path, tensors, config).score([sample()])[0]
        assert said.value == pytest.approx(float(values[0]))

    def test_is_cut_to_its_scale(self, tmp_path: Path) -> None:
        scorer = head(tmp_path, linear(bias=50.0), {"range": [0, 9]})
        assert scorer.range == (0.0, 9.0)
        said = scorer.score([sample()])[0]
        assert (said.value, said.evidence["raw"]) == (9.0, 51.0)

    def test_passes_the_kit(self, tmp_path: Path) -> None:
        scorer = head(tmp_path, mlp(), {"encoder_sha256": "a" * 64})
        faults = conformance.check(
            scorer, folder=tmp_path / "head", embedding_width=WIDTH, encoder_sha256="a" * 64
        )
        assert faults == []

    @pytest.mark.parametrize(
        ("tensors", "config"),
        [
            ({"weight": np.ones((1, WIDTH), np.float32)}, None),
            ({**linear(), "scale": np.ones(1, np.float32)}, None),
            (linear(), {"activation": "gelu"}),
            (linear(), {"embedding_width": 9}),
            ({"weight": np.ones((2, WIDTH), np.float32), "bias": np.ones(2, np.float32)}, None),
            ({**mlp(), "layers.2.weight": np.ones((4, 3), np.float16)}, None),
            ({**mlp(), "layers.2.bias": np.ones(3, np.float16)}, None),
            ({"other": np.ones(1, np.float32)}, None),
        ],
    )
    def test_refuses_layers_that_do_not_fit(
        self, tmp_path: Path, tensors: dict[str, Any], config: dict[str, Any] | None
    ) -> None:
        with pytest.raises(ScorerUnavailable, match=r"must hold|do not fit"):
            head(tmp_path, tensors, config).score([sample()])

    def test_refuses_the_embedding_of_another_encoder(self, tmp_path: Path) -> None:
        scorer = head(tmp_path, linear(), {"encoder_sha256": "a" * 64})
        assert scorer.score([sample(encoder="a" * 64)])
        with pytest.raises(ScorerUnavailable, match="another encoder"):
            scorer.score([sample(encoder="b" * 64)])

    def test_refuses_an_embedding_of_another_width(self, tmp_path: Path) -> None:
        with pytest.raises(ScorerUnavailable, match="of 8 numbers, not of 5"):
            head(tmp_path, linear()).score([sample(np.ones(5, np.float32))])

    def test_refuses_a_changed_file(self, tmp_path: Path) -> None:
        scorer = head(tmp_path, linear(), {"range": [0, 10]})
        (tmp_path / "head" / "config.json").write_text('{"range": [0, 5]}')
        with pytest.raises(snapshot.SnapshotChanged):
            scorer.score([sample()])
