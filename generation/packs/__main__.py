"""The command line of packs: `python -m generation.packs build FOLDER`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from generation.packs import builder, manifest, shipped
from generation.packs.tiny import families
from generation.packs.training import images, scorers
from governance.kernel.errors import DomainError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 1 with a sentence on standard error."""
    stages = {**scorers.STAGES, **images.STAGES}
    parser = argparse.ArgumentParser(prog="python -m generation.packs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="install the demo pack, or keep an intact one")
    build.add_argument("folder", type=Path)
    build.add_argument(
        "--random",
        metavar="FAMILY",
        choices=sorted(families.discover()),
        help="make a pack of random weights of this family instead, for tests",
    )
    build.add_argument("--seed", type=int, default=7, help="decides random weights (default: 7)")
    check = commands.add_parser("verify", help="hash every file of a pack again")
    check.add_argument("folder", type=Path)
    train = commands.add_parser("train", help="train one of the demo pack's models from a seed")
    train.add_argument("stage", choices=sorted(stages))
    train.add_argument("folder", type=Path, help="where the model, or the image model's parts, go")
    train.add_argument("--seed", type=int, help="decides every weight")
    train.add_argument("--cache", type=Path, default=Path("var/training"), help="keeps renders")
    scorers.add_arguments(train)
    images.add_arguments(train)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "build":
            placed = (
                builder.build(chosen.folder, seed=chosen.seed, family=chosen.random)
                if chosen.random
                else shipped.install(chosen.folder)
            )
            _report(placed.pack, "kept" if placed.was_kept else "built")
        elif chosen.command == "train":
            stages[chosen.stage](chosen)
        else:
            pack = manifest.read(chosen.folder)
            pack.verify()
            _report(pack, "intact")
    except DomainError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def _report(pack: manifest.Pack, outcome: str) -> None:
    """Print one JSON line on what is there."""
    facts = {
        "pack": pack.name,
        "outcome": outcome,
        "folder": str(pack.folder),
        "seed": pack.seed,
        "calibrated": pack.calibrated,
        "model_sha256": pack.model.snapshot_sha256,
        "scorers": {scorer.kind: scorer.snapshot_sha256 for scorer in pack.scorers},
    }
    sys.stdout.write(f"{json.dumps(facts)}\n")


if __name__ == "__main__":
    sys.exit(main())
