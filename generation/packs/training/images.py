"""The stages that train the demo pack's image model: `python -m generation.packs train image WORK`.

Every stage leaves its part in the same working folder, so that they can run one by one, or each in
a process of its own: text and scenes first, then the transformer and the autoencoder.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from generation.packs import manifest, shipped
from generation.packs.training import (
    adapters,
    autoencoder,
    compose,
    corpus,
    denoiser,
    text,
    trained_cards,
)
from generation.weights import runtime

SEED = 7
SCENES = 98_304
TRANSFORMER_MINUTES, AUTOENCODER_MINUTES = 64.0, 30.0
LORA_MINUTES, CONTROLNET_MINUTES = 4.0, 6.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the stages of the image model may be told."""
    parser.add_argument("--minutes", type=float, help="how long to train (of the image model)")
    parser.add_argument(
        "--pack",
        type=Path,
        default=shipped.FOLDER,
        help="the pack that has, or gets, the image model",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--scenes", type=int, default=SCENES, help="how many scenes to render")


def train_scenes(chosen: argparse.Namespace) -> None:
    """Render the scenes."""
    _tell(count=corpus.render(
        chosen.folder / "corpus", count=chosen.scenes, seed=_seed(chosen)
    ).count)  # fmt: skip


def train_text(chosen: argparse.Namespace) -> None:
    """Train the text encoders."""
    _tell(
        **text.train(chosen.folder / "text", seed=_seed(chosen), steps=chosen.steps or text.STEPS)
    )


def train_transformer(chosen: argparse.Namespace) -> None:
    """Train the transformer on the scenes and the text encoders of the working folder."""
    plan = denoiser.Plan(
        seed=_seed(chosen),
        minutes=chosen.minutes or TRANSFORMER_MINUTES,
        steps=chosen.steps or denoiser.Plan.steps,
    )
    work = chosen.folder
    _tell(**denoiser.train(work / "transformer", work / "corpus", work / "text", plan))


def train_autoencoder(chosen: argparse.Namespace) -> None:
    """Train the autoencoder on the scenes' latents."""
    _tell(**autoencoder.train(
        chosen.folder / "autoencoder",
        chosen.folder / "corpus",
        seed=_seed(chosen),
        minutes=chosen.minutes or AUTOENCODER_MINUTES,
    ))  # fmt: skip


def train_image(chosen: argparse.Namespace) -> None:
    """Run all of them, one after the other."""
    for stage in (train_scenes, train_text, train_transformer, train_autoencoder):
        stage(chosen)


def train_lora(chosen: argparse.Namespace) -> None:
    """Train the look for the pack's image model."""
    minutes = chosen.minutes or LORA_MINUTES
    base = chosen.pack / compose.FAMILY
    _tell(**adapters.train_lora(base, chosen.folder, seed=_seed(chosen), minutes=minutes))
    _place_card("lora-brand-look", chosen.folder)


def train_controlnet(chosen: argparse.Namespace) -> None:
    """Train the outlines for the pack's image model."""
    minutes = chosen.minutes or CONTROLNET_MINUTES
    base = chosen.pack / compose.FAMILY
    _tell(**adapters.train_controlnet(base, chosen.folder, seed=_seed(chosen), minutes=minutes))
    _place_card("controlnet-edges", chosen.folder)


def compose_pack(chosen: argparse.Namespace) -> None:
    """Put the trained image model into the pack, beside what is there, and list all of it."""
    _name(compose.compose(chosen.folder, chosen.pack, _seed(chosen)))


def list_pack(chosen: argparse.Namespace) -> None:
    """Write the manifest of the pack in the folder anew, after a part of it was trained again."""
    _name(compose.list_parts(chosen.folder, _seed(chosen)))


def _ready(stage: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """Ready the process for training, which needs speed more than equal bits."""

    def run(chosen: argparse.Namespace) -> None:
        runtime.prepare_process()
        torch.use_deterministic_algorithms(mode=False)
        runtime.set_threads(chosen.threads)
        stage(chosen)

    return run


STAGES: Mapping[str, Callable[[argparse.Namespace], None]] = MappingProxyType({
    "scenes": _ready(train_scenes),
    "text": _ready(train_text),
    "transformer": _ready(train_transformer),
    "autoencoder": _ready(train_autoencoder),
    "lora": _ready(train_lora),
    "controlnet": _ready(train_controlnet),
    "image": _ready(train_image),
    "pack": _ready(compose_pack),
    "manifest": _ready(list_pack),
})  # fmt: skip


def _seed(chosen: argparse.Namespace) -> int:
    """Return the seed that was named, or that of the shipped weights."""
    return SEED if chosen.seed is None else int(chosen.seed)


def _place_card(name: str, folder: Path) -> None:
    """Give an adapter its model card."""
    trained_cards.place(folder, trained_cards.write_adapter(name, compose.LICENCE))


def _name(pack: manifest.Pack) -> None:
    """Write which pack it is now."""
    sys.stdout.write(f"{pack.name} {pack.model.snapshot_sha256}\n")


def _tell(**facts: float) -> None:
    """Write what a stage came to."""
    sys.stdout.write(f"{json.dumps(facts)}\n")
    sys.stdout.flush()
