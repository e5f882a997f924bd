"""Sees that a model folder still holds the bytes that were approved, before and after each use."""

from dataclasses import dataclass, field
from pathlib import Path

from generation.scoring.protocol import ScorerUnavailable
from generation.weights import snapshot

Signature = tuple[tuple[str, int, int, int, int], ...]


@dataclass
class Watch:
    """Watches one folder: hashes it once, and again only if a file's facts have changed.

    `is_spoiled` once the folder changed under a loaded model: memory may be mapped from the file,
    so only a new process can be sure of what it runs.
    """

    folder: Path
    sha256: str
    is_spoiled: bool = field(default=False, init=False)
    _accepted: Signature | None = field(default=None, init=False, repr=False)

    def check(self) -> None:
        """Insist on the approved bytes: milliseconds while nothing changes.

        Raises: SnapshotMissing, SnapshotChanged, UnsafeSnapshot; ScorerUnavailable while spoiled.
        """
        if self.is_spoiled:
            raise ScorerUnavailable(
                f"The model folder '{self.folder}' was changed while its model was in use; it is "
                "loaded again for the next image.",
                folder=str(self.folder),
            )
        found = _sign(self.folder)
        if found == self._accepted:
            return
        try:
            snapshot.verify(self.folder, self.sha256)
        except Exception:
            self.is_spoiled = self._accepted is not None
            raise
        self._accepted = found


def _sign(folder: Path) -> Signature:
    """Return name, size, times of change and inode of everything in a folder."""
    facts = []
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        name = path.relative_to(folder).as_posix()
        facts.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
    return tuple(facts)
