"""The checker's network: told only images, it names what a picture shows; never a scorer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

SIDE_PX = 96
_WIDTHS = (16, 32, 72, 112)
_PLACES = 8


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.relu(pixels + self.body(pixels))


class Checker(nn.Module):
    """Four stages of convolutions; pooled by mean, by maximum, and by column for positions."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = 3
        for index, width in enumerate(_WIDTHS):
            stages += [
                nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            stages += [Block(width)] if index else []
            before = width
        self.body = nn.Sequential(*stages)
        self.places = nn.Conv2d(before, _PLACES, 1)
        columns = SIDE_PX // 2 ** len(_WIDTHS)
        pooled = 2 * before + 2 * _PLACES * columns
        self.heads = nn.ModuleDict({name: nn.Linear(pooled, size) for name, size in sizes.items()})

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return the logits of each attribute; pixels: (B, 3, 96, 96) on the scale -1..1."""
        seen = self.body(pixels)
        places = self.places(seen)
        pooled = torch.cat(
            [
                seen.mean((2, 3)),
                seen.amax((2, 3)),
                places.mean(2).flatten(1),
                places.mean(3).flatten(1),
            ],
            dim=1,
        )
        return {name: head(pooled) for name, head in self.heads.items()}
