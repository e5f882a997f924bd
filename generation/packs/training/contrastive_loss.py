"""What the contrastive pair learns from: true captions, captions with one attribute changed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Label of an attribute that a caption does not mention.
SILENT = -1


class Prototypes(nn.Module):
    """One direction for each value of each attribute, shared by images and texts.

    Both towers must point to the same direction for the same value, which aligns them much sooner
    than pairs alone do; thrown away after the training. sizes: how many values each attribute has.
    """

    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.values = nn.Parameter(torch.randn(sum(sizes), width))
        self.damage = nn.Linear(width, 1)
        # A unit vector that names eight things at once has a cosine of about a third with each.
        self.sharpness = nn.Parameter(torch.tensor(3.4))

    def forward(self, embeddings: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of each attribute for (B, D) unit vectors."""
        directions = functional.normalize(self.values, dim=1)
        logits: Tensor = (embeddings @ directions.T) * self.sharpness.exp()
        parts: tuple[Tensor, ...] = logits.split(self.sizes, dim=1)  # type: ignore[no-untyped-call]
        return parts

    def tell_damage(self, embeddings: Tensor) -> Tensor:
        """Return the estimated severity of faults for (B, D) unit vectors."""
        estimate: Tensor = self.damage(embeddings * 4).squeeze(1)
        return estimate


def match(images: Tensor, texts: Tensor) -> Tensor:
    """Tell which text is true of which image.

    images: (B, A) labels; texts: (T, A) labels or SILENT; returns (B, T) truth values.

    >>> match(torch.tensor([[0, 1]]), torch.tensor([[0, 1], [0, SILENT], [1, SILENT]])).tolist()
    [[True, True, False]]
    """
    agree = images[:, None, :] == texts[None, :, :]
    return (agree | (texts == SILENT)[None, :, :]).all(dim=2)


def contrast(logits: Tensor, images: Tensor, texts: Tensor) -> Tensor:
    """Compare a batch of images with its texts: the first B true, the next B changed in one thing.

    logits: (B, 2B); images and texts: labels as `match` takes them. The sigmoid terms
    (arXiv:2303.15343, section 3.2) weigh true texts, changed texts and texts of other images alike,
    so that one threshold holds for every caption; the softmax terms rank, and are masked where
    another image's text happens to be true.
    """
    count = len(logits)
    true = match(images, texts)
    changed = torch.zeros_like(true)
    changed[torch.arange(count), count + torch.arange(count)] = True
    changed &= ~true
    strange = ~true & ~changed
    sigmoid = (
        functional.softplus(-logits[true]).mean()
        + functional.softplus(logits[changed]).mean()
        + functional.softplus(logits[strange]).mean()
    )
    own = torch.arange(count)
    is_own = torch.zeros_like(true)
    is_own[own, own] = True
    ranked = logits.masked_fill(true & ~is_own, float("-inf"))
    softmax = functional.cross_entropy(ranked, own) + functional.cross_entropy(
        ranked[:, :count].T, own
    )
    return sigmoid + 0.5 * softmax


def recognize(logits: Sequence[Tensor], labels: Tensor, weights: Sequence[float]) -> Tensor:
    """Average the cross entropy over the attributes that are there, each by its weight.

    labels: (B, A) or SILENT; weights: how much each attribute counts.
    """
    there = [index for index in range(len(logits)) if bool((labels[:, index] != SILENT).any())]
    losses = [
        weights[index]
        * functional.cross_entropy(logits[index], labels[:, index], ignore_index=SILENT)
        for index in there
    ]
    return torch.stack(losses).sum() / sum(weights[index] for index in there)


class Average:
    """An exponential moving average of a module's weights; its buffers are the newest ones."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.kept: dict[str, Any] = {
            name: value.detach().clone() for name, value in module.state_dict().items()
        }
        self._averaged = {name for name, _ in module.named_parameters()}

    def follow(self, module: nn.Module, step: int) -> None:
        """Take a step towards the module; the first steps follow faster."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if name in self._averaged:
                self.kept[name].lerp_(value.detach(), 1 - decay)
            else:
                self.kept[name].copy_(value)
