"""The scoring process: builds a suite, measures what it is sent, and ends with its parent.

Started as `python -m generation.scoring.child FD`; see isolation.py for the other end.
"""

import ctypes
import faulthandler
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

from generation.scoring import wire
from generation.scoring.decode import decode
from generation.scoring.perceptual import perceptual_hash
from generation.scoring.protocol import Sample, ScorerEntry
from generation.scoring.suite import ENCODER, OUT_OF_MEMORY, ScoringSuite, measured
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from generation.scoring.verdict import Measured

_SET_PARENT_DEATH_SIGNAL = 1
_LOOK_FOR_PARENT_EVERY_S = 1.0


def main(channel: socket.socket) -> None:
    """Serve one parent until it closes the channel."""
    _end_with_parent()
    faulthandler.enable()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    job, _ = wire.receive(channel)
    if job["entries"]:
        # With torch, which takes seconds to import, and only models need.
        from generation.weights import runtime

        runtime.prepare_process()
        runtime.set_threads(int(job["threads"]))
    _limit_memory(int(job["memory_mb"]), str(job["device"]))
    try:
        entries = [ScorerEntry(**entry) for entry in job["entries"]]
        suite = ScoringSuite.from_folder(Path(job["folder"]), entries, device=job["device"])
    except DomainError as error:
        wire.send(channel, {"refused": error.detail})
        return
    wire.send(channel, {"cards": [card.to_data() for card in suite.cards]})
    server = _Server(channel, suite)
    while True:
        try:
            message, blob = wire.receive(channel)
        except EOFError:
            return
        server.answer(message, blob)


class _Server:
    """Answers one request after the other, telling what it is about to do."""

    def __init__(self, channel: socket.socket, suite: ScoringSuite) -> None:
        self.channel = channel
        self.suite = suite
        self._images: dict[str, Image] = {}
        self._embeddings: dict[str, NDArray[np.float32]] = {}

    def answer(self, message: Mapping[str, Any], blob: bytes) -> None:
        """Answer one request: features of images, or measurements by some scorers."""
        names, failures = self._decode(message["sizes"], blob)
        if message["ask"] == "features":
            self._features(names, failures)
        else:
            self._measure(message, names, failures)
        wire.send(self.channel, {"done": True, "is_spoiled": self.suite.is_spoiled})

    def _decode(self, sizes: Sequence[int], blob: bytes) -> tuple[list[str], list[str | None]]:
        """Decode images, but those of the request before; say why one cannot be."""
        self._tell("decode")
        names, failures, images, start = [], [], {}, 0
        for size in sizes:
            data = blob[start : start + size]
            start += size
            name = sha256_hex(data)
            failure = None
            try:
                images[name] = self._images.get(name) or decode(data)
            except DomainError as error:
                failure = error.detail
            except MemoryError:
                failure = "The image is too large for the memory of the scoring process."
            names.append(name)
            failures.append(failure)
        self._images = images
        self._embeddings = {n: v for n, v in self._embeddings.items() if n in images}
        return names, failures

    def _features(self, names: Sequence[str], failures: Sequence[str | None]) -> None:
        """Send what finds near-duplicates: a hash, and an embedding if there is an encoder."""
        self._tell("load", ENCODER)
        reason = self.suite.load_encoder()
        answers: list[dict[str, Any]] = []
        for name, failure in zip(names, failures, strict=True):
            if failure:
                answers.append({"reason": failure})
                continue
            self._tell("score", ENCODER)
            if reason is None:
                self._embed([Sample(self._images[name])], [name])
            answers.append(
                {
                    "perceptual_hash": f"{perceptual_hash(self._images[name]):x}",
                    "embedding": wire.pack_vector(self._embeddings.get(name)),
                    "encoder_sha256": self.suite.encoder and self.suite.encoder.weights_sha256,
                    "reason": reason,
                }
            )
        wire.send(self.channel, {"features": answers})

    def _measure(
        self, message: Mapping[str, Any], names: Sequence[str], failures: Sequence[str | None]
    ) -> None:
        """Send what each wanted scorer says, as soon as it has said it."""
        contexts = [c for c, f in zip(message["contexts"], failures, strict=True) if not f]
        good = [name for name, failure in zip(names, failures, strict=True) if not failure]
        samples = [
            wire.unpack_context(self._images[name], context)
            for name, context in zip(good, contexts, strict=True)
        ]
        no_embedding = message["no_embedding"]
        if samples and no_embedding is None:
            self._tell("load", ENCODER)
            self.suite.load_encoder()
            self._tell("score", ENCODER)
            samples, no_embedding = self._embed(samples, good)
        scorers = {scorer.id: scorer for scorer in self.suite.scorers}
        for scorer in [scorers[wanted] for wanted in message["scorers"]]:
            said: list[Measured] = []
            if samples:
                self._tell("load", scorer.id)
                reason = self.suite.load(scorer, no_embedding=no_embedding)
                self._tell("score", scorer.id)
                said = (
                    [measured(scorer, reason=reason) for _ in samples]
                    if reason
                    else self.suite.score(scorer, samples)
                )
            waiting = iter(said)
            answers = [measured(scorer, reason=f) if f else next(waiting) for f in failures]
            wire.send(self.channel, {"scorer": scorer.id, "said": [_pack(m) for m in answers]})

    def _embed(
        self, samples: Sequence[Sample], names: Sequence[str]
    ) -> tuple[list[Sample], str | None]:
        """Embed samples, using again what was embedded for this image before."""
        known = [
            replace(sample, embedding=self._embeddings.get(name))
            for sample, name in zip(samples, names, strict=True)
        ]
        seen, reason = self.suite.embed(known)
        for sample, name in zip(seen, names, strict=True):
            if sample.embedding is not None:
                self._embeddings[name] = sample.embedding
        return seen, reason

    def _tell(self, phase: str, scorer: str = "") -> None:
        wire.send(self.channel, {"phase": phase, "scorer": scorer})


def _pack(said: "Measured") -> dict[str, Any]:
    """Write a measurement; JSON as Python writes it has words for NaN and infinity."""
    if said.measurement is None:
        return {"reason": said.reason, "is_memory": OUT_OF_MEMORY in (said.reason or "")}
    return {
        "value": said.measurement.value,
        "evidence": said.measurement.evidence,
        "took_ms": said.took_ms,
    }


def _limit_memory(limit_mb: int, device: str) -> None:
    """Let an allocation beyond the limit fail here before the machine is out of memory.

    On a GPU the driver reserves address space without end, so there data is limited instead.
    """
    kind = resource.RLIMIT_AS if device == "cpu" else resource.RLIMIT_DATA
    limit = limit_mb * 1024 * 1024
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(kind, (limit, most))
    try:
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    except OSError:
        return


def _end_with_parent() -> None:
    """Make sure that no scoring process outlives its worker, however either of them hangs."""
    parent = os.getppid()
    # The terminal's Ctrl-C is for the worker, which may want this image scored before it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)

    def look() -> None:
        while os.getppid() == parent:
            sleep(_LOOK_FOR_PARENT_EVERY_S)
        os._exit(1)

    threading.Thread(target=look, name="parent", daemon=True).start()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
    # Threads and exit handlers of other people's libraries may hang.
    os._exit(0)
