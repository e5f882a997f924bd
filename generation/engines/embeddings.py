"""What texts became in the encoders, kept for the next image of the same words.

The same encoders turn the same words into the same bits, so an image made from kept embeddings is
the image. No text is kept: an entry's name is a digest.
"""

from collections.abc import Callable, Mapping
from threading import Lock

import torch

from governance.kernel.digests import canonical_json, sha256_hex

USUAL_BYTES = 256 * 1024 * 1024

Embeddings = Mapping[str, torch.Tensor]


class PromptCache:
    """Embeddings by what they were made from, within a limit of bytes; the longest unused go."""

    def __init__(self, most_bytes: int = USUAL_BYTES) -> None:
        """Begin empty; a limit of 0 keeps nothing."""
        self.most_bytes = most_bytes
        self.hits = 0
        self.misses = 0
        self._lock = Lock()
        self._kept: dict[str, Embeddings] = {}
        self._bytes = 0

    def obtain(self, made_from: Mapping[str, str], encode: Callable[[], Embeddings]) -> Embeddings:
        """Return the embeddings of what is described; encode it if that was not done lately.

        `made_from` names everything that decides them: encoders, texts, lengths, format, device.
        """
        name = sha256_hex(canonical_json(made_from))
        with self._lock:
            kept = self._kept.pop(name, None)
            if kept is not None:
                self._kept[name] = kept
                self.hits += 1
                return kept
            self.misses += 1
        made = encode()
        self._keep(name, made)
        return made

    def clear(self) -> bool:
        """Forget everything; say whether there was anything."""
        with self._lock:
            had_any = bool(self._kept)
            self._kept.clear()
            self._bytes = 0
        return had_any

    @property
    def size_bytes(self) -> int:
        """Return what the kept embeddings take."""
        return self._bytes

    def _keep(self, name: str, made: Embeddings) -> None:
        size = _size(made)
        if size > self.most_bytes:
            return
        with self._lock:
            self._kept[name] = made
            self._bytes += size
            while self._bytes > self.most_bytes:
                self._bytes -= _size(self._kept.pop(next(iter(self._kept))))


def _size(embeddings: Embeddings) -> int:
    return sum(each.nbytes for each in embeddings.values())
