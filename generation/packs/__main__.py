"""The command line of packs: `python -m generation.packs build FOLDER --seed 7`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from generation.packs import builder, manifest
from governance.kernel.errors import DomainError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m generation.packs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make the demo pack, or keep an intact one")
    build.add_argument("folder", type=Path)
    build.add_argument("--seed", type=int, default=7, help="decides every weight (default: 7)")
    check = commands.add_parser("verify", help="hash every file of a pack again")
    check.add_argument("folder", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "build":
            built = builder.build(chosen.folder, seed=chosen.seed)
            _report(built.pack, "kept" if built.was_kept else "built")
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
