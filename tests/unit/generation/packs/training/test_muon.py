"""The optimizer's steps are orthogonal, whatever the shape, and lead downhill."""

import pytest
import torch

from generation.packs.training.muon import Muon, orthogonalize


class TestOrthogonalize:
    @pytest.mark.parametrize("shape", [(2, 8, 8), (3, 6, 24), (1, 24, 6)])
    def test_brings_every_singular_value_near_one(self, shape: tuple[int, ...]) -> None:
        matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        values = torch.linalg.svdvals(orthogonalize(matrices))
        assert values.min() > 0.5
        assert values.max() < 1.4
        assert torch.linalg.svdvals(matrices).max() > 2


class TestMuon:
    def test_learns_matrices_and_kernels(self) -> None:
        torch.manual_seed(2)
        matrix = torch.nn.Parameter(torch.randn(4, 6))
        kernel = torch.nn.Parameter(torch.randn(4, 2, 3, 3))
        wanted = torch.randn(4, 6), torch.randn(4, 2, 3, 3)
        optimizer = Muon([matrix, kernel], lr=0.1)
        losses = []
        for _ in range(60):
            loss = (matrix - wanted[0]).pow(2).mean() + (kernel - wanted[1]).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.1 * losses[0]
