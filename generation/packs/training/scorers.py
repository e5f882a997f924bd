"""The stages that train the demo pack's scorers: `python -m generation.packs train clip FOLDER`."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from generation.packs.training import aesthetic, contrastive, safety

P = TypeVar("P", contrastive.Plan, safety.Plan, aesthetic.Plan)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every stage may be told; what is left out is the shipped weights' own plan."""
    parser.add_argument("--encoder", type=Path, help="the trained clip folder (for aesthetic)")
    parser.add_argument("--images", type=int, help="how many renders to learn from")
    parser.add_argument("--steps", type=int, help="how many steps to take")


def train_clip(chosen: argparse.Namespace) -> None:
    """Train the contrastive pair."""
    plan = _plan(contrastive.Plan(), chosen)
    contrastive.train(chosen.folder, chosen.cache, plan, tell)


def train_safety(chosen: argparse.Namespace) -> None:
    """Train the safety classifier."""
    safety.train(chosen.folder, chosen.cache, _plan(safety.Plan(), chosen), tell)


def train_aesthetic(chosen: argparse.Namespace) -> None:
    """Train the quality head on the embeddings of a trained pair, which lies beside it."""
    encoder = chosen.encoder or chosen.folder.parent / "clip"
    plan = _plan(aesthetic.Plan(), chosen)
    aesthetic.train(chosen.folder, encoder, chosen.cache, plan, tell)


STAGES: Mapping[str, Callable[[argparse.Namespace], None]] = MappingProxyType(
    {"clip": train_clip, "safety": train_safety, "aesthetic": train_aesthetic}
)


def tell(line: str) -> None:
    """Write how far a stage is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _plan(plan: P, chosen: argparse.Namespace) -> P:
    """Replace what the command line names."""
    named = {name: getattr(chosen, name) for name in ("seed", "images", "steps")}
    return replace(plan, **{name: value for name, value in named.items() if value is not None})
