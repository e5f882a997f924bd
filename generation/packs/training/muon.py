"""An optimizer that moves each matrix by an orthogonal step; it learns from fewer pictures.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); the
coefficients of the iteration are that text's. Matrices of one shape are stepped together.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Steps matrices along their momentum with all singular values made one."""

    def __init__(
        self, parameters: Iterable[torch.Tensor], lr: float, momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        """Take matrices, or kernels of convolutions as (out, in x rows x columns).

        `lr` is the length of a step in the spectral norm.
        """
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, _closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.flatten(1).shape].append(matrix)
            for shape, matrices in alike.items():
                moved = torch.stack([self._momentum(m, group["momentum"]) for m in matrices])
                step = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for matrix, direction in zip(matrices, orthogonalize(moved), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(direction.view_as(matrix), alpha=-step)

    def _momentum(self, matrix: torch.Tensor, share: float) -> torch.Tensor:
        """Update the matrix's momentum and return Nesterov's look ahead."""
        state, gradient = self.state[matrix], matrix.grad
        if gradient is None:
            raise ValueError("this matrix has no gradient")
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum: torch.Tensor = state["momentum"]
        momentum.lerp_(gradient, 1 - share)
        return gradient.lerp(momentum, share).flatten(1)


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    """Bring all singular values of (N, rows, columns) near one, by Newton and Schulz."""
    first, second, third = _COEFFICIENTS
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if is_tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = first * x + torch.baddbmm(gram, gram, gram, beta=second, alpha=third) @ x
    return x.mT if is_tall else x
