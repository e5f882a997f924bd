"""Packages with scorers, as an installer would leave them: metadata on the path, found by name."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from generation.scoring import discover


@contextmanager
def installed(folder: Path, package: str, points: Mapping[str, str]) -> Iterator[None]:
    """Install a package that brings entry points, for this process and those that it starts."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {target}\n" for name, target in points.items())
    (info / "entry_points.txt").write_text(f"[{discover.GROUP}]\n{lines}")
    sys.path.insert(0, str(folder))
    discover.discover.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        discover.discover.cache_clear()
