"""An independent checker for the demo pack: names what a picture shows, knowing no prompt.

It shares no weights, labels or code with any scorer and is never shipped as one. Its weights, which
`python -m tests.benchmarks.checker` trains anew from a seed in a few minutes, lie beside it.

    from tests.benchmarks import checker
    seen = checker.load().look(images)   # [{"object": "mug", "color": "red", …}, …]
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generation.packs.training import examples, faults
from generation.packs.training.scorers import tell
from generation.packs.world import scene
from tests.benchmarks.checker_model import SIDE_PX, Checker

WEIGHTS = Path(__file__).parent / "weights" / "checker.safetensors"
_BATCH, _RATE = 40, 4e-3
SIZES = {name: len(scene.CHOICES[name]) for name in scene.ATTRIBUTES}
Seen = Mapping[str, str | int]


@dataclass(frozen=True)
class Eye:
    """The trained checker."""

    model: Checker

    def look(self, images: Sequence[Image.Image]) -> list[Seen]:
        """Name each attribute of each RGB image."""
        return [
            {name: scene.CHOICES[name][int(index)] for name, index in zip(SIZES, row, strict=True)}
            for row in self.label(images)
        ]

    def label(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return the index of each attribute's value: (images, attributes)."""
        rows = []
        with torch.inference_mode():
            for start in range(0, len(images), 64):
                logits = self.model(_to_tensor(images[start : start + 64]))
                rows.append(torch.stack([logits[name].argmax(1) for name in SIZES], dim=1))
        return torch.cat(rows).numpy()


def load(path: Path = WEIGHTS) -> Eye:
    """Load the checker's weights."""
    model = Checker(SIZES)
    model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return Eye(model.eval())


def train(cache: Path, *, seed: int, images: int, steps: int) -> Checker:
    """Train on varied renders of training scenes; same arguments and libraries, same weights."""
    renders = examples.render(cache, images, seed, report=tell)
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 11])
    model = Checker(SIZES).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps + 1)
    started = time.monotonic()
    order: list[int] = []
    for step in range(steps):
        while len(order) < _BATCH:
            order += rng.permutation(images).tolist()
        chosen, order = order[:_BATCH], order[_BATCH:]
        pixels = _to_tensor([vary(renders, index, rng) for index in chosen])
        labels = torch.tensor([examples.label(renders.scenes[index]) for index in chosen])
        logits = model(pixels)
        loss = torch.stack(
            [
                torch.nn.functional.cross_entropy(logits[name], labels[:, index])
                for index, name in enumerate(SIZES)
            ]
        ).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            tell(f"step {step}, {time.monotonic() - started:.0f} s, loss {loss.item():.3f}")
    return model.eval()


def vary(renders: examples.Renders, index: int, rng: np.random.Generator) -> Image.Image:
    """Blur, warp, move, compress, so that a decoder's softness is nothing new."""
    image, kind = renders.image(index), rng.uniform()
    if kind < 0.2:
        return image
    if kind < 0.35:
        name = str(rng.choice(("blur", "noise", "compression", "melt", "pixels")))
        return faults.FAULTS[name](image, float(rng.uniform(-0.3, 0.1)), rng)
    return renders.soften(image, rng)


def measure(eye: Eye, renders: examples.Renders, seed: int | None = None) -> dict[str, float]:
    """Return the share of right labels for each attribute; varied by `seed`, clean without."""
    rng = np.random.default_rng(seed)
    indexes = range(len(renders))
    seen = eye.label(
        [renders.image(at) if seed is None else vary(renders, at, rng) for at in indexes]
    )
    right = seen == np.array([examples.label(each) for each in renders.scenes])
    return dict(zip(SIZES, right.mean(0).tolist(), strict=True))


def _to_tensor(images: Sequence[Image.Image]) -> torch.Tensor:
    """Bring images to the checker's size and scale."""
    pixels = np.stack([examples.shrink(image.convert("RGB"), SIDE_PX) for image in images])
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return values.contiguous(memory_format=torch.channels_last)


def main() -> None:
    """Train, save and measure on combinations that the training never saw."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("var/training"))
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--only-measure", action="store_true")
    asked = parser.parse_args()
    if not asked.only_measure:
        model = train(
            asked.cache,
            seed=asked.seed,
            images=asked.images,
            steps=asked.steps,
            batch=40,
            rate=4e-3,
        )
        WEIGHTS.parent.mkdir(exist_ok=True)
        weights = {
            name: value.half() if value.is_floating_point() else value
            for name, value in model.state_dict().items()
        }
        save_file({name: value.contiguous() for name, value in weights.items()}, WEIGHTS)
    held_out = examples.render(asked.cache, 2000, 99, held_out=True)
    for title, seed in (("clean", None), ("softened", 5)):
        tell(f"{title}: {measure(load(), held_out, seed)}")


if __name__ == "__main__":
    sys.exit(main())
