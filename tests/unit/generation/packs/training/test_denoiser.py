"""The transformer's training goes on after a stop, ends in time and leaves a model that loads."""

import json
from pathlib import Path

import pytest
import torch

from generation.packs.training import corpus, denoiser
from generation.weights import runtime


def train(work: Path, name: str, steps: int) -> dict[str, float]:
    plan = denoiser.Plan(seed=3, minutes=60, steps=steps, batch=4)
    return dict(denoiser.train(work / name, work / "corpus", work / "text", plan))


class TestTrain:
    def test_learns_and_leaves_a_model_that_loads(self, work: Path) -> None:
        facts = train(work, "whole", 6)
        assert (facts["steps"], facts["images"]) == (6, 24)
        lines = (work / "whole" / "curve.jsonl").read_text().splitlines()
        points = [json.loads(line) for line in lines]
        assert [point["step"] for point in points] == [1, 2, 3, 4, 5, 6]
        model = runtime.load_library("diffusers").SD3Transformer2DModel.from_pretrained(
            work / "whole" / "transformer", local_files_only=True
        )
        assert model.config.in_channels == corpus.CHANNELS
        assert any(bool(block.attn.to_q.weight.any()) for block in model.transformer_blocks)

    def test_goes_on_from_its_checkpoint(self, work: Path) -> None:
        train(work, "parts", 2)
        before = torch.load(work / "parts" / "checkpoint.pt", weights_only=True)
        train(work, "parts", 3)
        after = torch.load(work / "parts" / "checkpoint.pt", weights_only=True)
        assert (before["step"], after["step"]) == (2, 3)
        assert after["seconds"] > before["seconds"]
        momentum = after["optimizers"][0]["state"][0]["momentum"]
        assert bool(momentum.any())

    def test_a_finished_one_is_left_alone(self, work: Path) -> None:
        train(work, "done", 2)
        before = (work / "done" / "curve.jsonl").read_text()
        assert train(work, "done", 2)["steps"] == 2
        assert (work / "done" / "curve.jsonl").read_text() == before

    def test_stops_on_a_loss_that_is_no_number(
        self, work: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(model: torch.nn.Module, *_: object) -> torch.Tensor:
            return sum(p.sum() for p in model.parameters()) * float("nan")  # type: ignore[return-value]

        monkeypatch.setattr(denoiser, "flow_loss", lost)
        with pytest.raises(FloatingPointError, match="step 0"):
            train(work, "lost", 2)
        assert not (work / "lost" / "checkpoint.pt").exists()


class TestFlowLoss:
    def test_is_none_for_a_model_that_knows_the_answer(self) -> None:
        latents = torch.randn(2, 16, 16, 16)

        def knows(hidden_states: torch.Tensor, timestep: torch.Tensor, **_: object) -> object:
            sigma = (timestep / 1000).view(-1, 1, 1, 1)
            return ((hidden_states - latents) / sigma,)

        empty = torch.zeros(2, 1, 1)
        assert denoiser.flow_loss(knows, latents, empty, empty).item() < 1e-6

    def test_counts_the_badges_corner_more(self) -> None:
        latents = torch.zeros(1, 16, 16, 16)
        empty = torch.zeros(1, 1, 1)

        def wrong_at(rows: slice, columns: slice) -> float:
            def model(hidden_states: torch.Tensor, timestep: torch.Tensor, **_: object) -> object:
                right = hidden_states / (timestep / 1000).view(-1, 1, 1, 1)
                right[:, :, rows, columns] += 1
                return (right,)

            return denoiser.flow_loss(model, latents, empty, empty).item()

        corner = wrong_at(slice(0, 5), slice(11, 16))
        assert corner > 1.5 * wrong_at(slice(8, 13), slice(0, 5))
