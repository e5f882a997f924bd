"""The worker's end of a scoring process: started, asked within time limits, and ended for sure."""

import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generation.scoring import wire
from generation.scoring.cards import Card
from generation.scoring.protocol import Concept, Measurement, Neighbour, ScorerUnavailable
from generation.scoring.suite import measured
from generation.scoring.verdict import Measured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What a scoring process may know of the worker's environment: no secret is among it.
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
)
_ENVIRONMENT_PREFIXES = ("LC_", "OMP_", "MKL_", "CUDA", "NVIDIA", "TESSDATA")
_END_S = 2.0


@dataclass(frozen=True)
class Limits:
    """What a scoring process may take.

    `score_s` for each image and scorer, `load_s` for starting and for loading one model,
    `memory_mb` of address space in all (on a GPU: of data).
    """

    score_s: float = 30.0
    load_s: float = 300.0
    memory_mb: int = 8192


@dataclass(frozen=True, eq=False)
class Picture:
    """An image as bytes, with all that a scorer may look at; see protocol.Sample."""

    data: bytes
    prompt: str = ""
    palette: tuple[str, ...] = ()
    wanted_text: str | None = None
    neighbours: tuple[Neighbour, ...] = ()
    concepts: tuple[Concept, ...] = ()


@dataclass(frozen=True, eq=False)
class Features:
    """What finds near-duplicates of an image; None where there is none, and `reason` says why."""

    perceptual_hash: int | None = None
    embedding: "NDArray[np.float32] | None" = None
    encoder_sha256: str | None = None
    reason: str | None = None


class ProcessLost(Exception):
    """The scoring process had to be ended, or ended itself, while `scorer` was at work."""

    def __init__(self, scorer: str, why: str) -> None:
        who = f"The scorer '{scorer}'" if scorer else "The scoring process"
        super().__init__(f"{who} {why}.")
        self.scorer = scorer


class Process:
    """One scoring process. It is lost for good with the first `ProcessLost`; then `end` it."""

    def __init__(self, job: Mapping[str, Any], limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        self._limits = limits
        self._channel = ours
        self._at = ("start", "")
        self.is_spoiled = False
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "generation.scoring.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # What libraries print belongs into the log, beside the worker's own lines.
                stdout=2,
                env=_environment(int(job["threads"])),
                # One group with the tools that scorers start, so that all of it can be ended.
                start_new_session=True,
            )
        self._finalizer = weakref.finalize(self, _end, self._child, ours)
        self._send(job)

    @property
    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._child.poll() is None

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._child.pid

    def greet(self) -> tuple[Card, ...]:
        """Wait until the suite is built and return its scorers' cards.

        Raises: ScorerUnavailable if it cannot be built.
        """
        try:
            hello = self._receive()
            if "refused" in hello:
                raise ScorerUnavailable(str(hello["refused"]))
            return tuple(Card.from_data(card) for card in hello["cards"])
        except (ProcessLost, LookupError, TypeError, ValueError) as error:
            raise ScorerUnavailable(
                f"The scoring process did not start: {error} Its log has the details."
            ) from error

    def ask(
        self, pictures: Sequence[Picture], scorers: Sequence[str], no_embedding: str | None
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield each scorer with what it says of every picture, in their order.

        `no_embedding` tells why none is to be made. Raises: ProcessLost.
        """
        contexts = [
            wire.pack_context(
                prompt=picture.prompt,
                palette=picture.palette,
                wanted_text=picture.wanted_text,
                neighbours=picture.neighbours,
                concepts=picture.concepts,
            )
            for picture in pictures
        ]
        asked = {"contexts": contexts, "scorers": list(scorers), "no_embedding": no_embedding}
        for message in self._ask("measure", [picture.data for picture in pictures], asked):
            said = message.get("said")
            if not isinstance(said, list) or len(said) != len(pictures):
                raise ProcessLost(self._at[1], "gave another number of answers")
            self._at = ("between", "")
            yield str(message.get("scorer")), said

    def look(self, data: bytes) -> Features:
        """Return what finds near-duplicates of one image. Raises: ProcessLost."""
        messages = list(self._ask("features", [data], {}))
        try:
            found = messages[0]["features"][0]
            hashed = found.get("perceptual_hash")
            return Features(
                perceptual_hash=None if hashed is None else int(hashed, 16),
                embedding=wire.unpack_vector(found.get("embedding")),
                encoder_sha256=found.get("encoder_sha256"),
                reason=found.get("reason"),
            )
        except (LookupError, TypeError, ValueError, AttributeError, wire.Malformed) as error:
            raise ProcessLost("", "gave an answer that is none") from error

    def end(self) -> None:
        """End the process and everything that it started."""
        self._finalizer()

    def _ask(
        self, question: str, images: Sequence[bytes], more: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Send a question and yield the messages that answer it. Raises: ProcessLost."""
        count = len(images)
        self._at = ("decode", "")
        sizes = [len(data) for data in images]
        self._send({"ask": question, "sizes": sizes, **more}, b"".join(images))
        while True:
            message = self._receive(count)
            if "phase" in message:
                self._at = (str(message["phase"]), str(message["scorer"]))
            elif message.get("done"):
                self.is_spoiled = bool(message.get("is_spoiled"))
                return
            else:
                yield message

    def _send(self, message: Mapping[str, Any], blob: bytes = b"") -> None:
        try:
            self._channel.settimeout(self._limits.load_s)
            wire.send(self._channel, message, blob)
        except OSError as error:
            raise ProcessLost("", self._why_ended()) from error

    def _receive(self, count: int = 1) -> dict[str, Any]:
        """Wait for a message, as long as what the process is at may take."""
        phase, scorer = self._at
        limit_s = self._limits.score_s * max(count, 1)
        if phase in {"start", "load"}:
            limit_s = self._limits.load_s
        try:
            return wire.receive(self._channel, timeout_s=limit_s)[0]
        except TimeoutError as error:
            raise ProcessLost(scorer, f"did not answer within {limit_s:g} s") from error
        except (EOFError, OSError) as error:
            raise ProcessLost(scorer, self._why_ended()) from error
        except wire.Malformed as error:
            raise ProcessLost(scorer, "gave an answer that is none") from error

    def _why_ended(self) -> str:
        """Say how the process ended: by a signal, or by itself."""
        try:
            status = self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "closed its channel"
        if status < 0:
            return f"crashed its process ({signal.Signals(-status).name})"
        return f"ended its process (status {status})"


def unpack(card: Card, answer: Mapping[str, Any]) -> Measured:
    """Read what a scorer said of one image; nonsense becomes the reason to hold it."""
    if answer.get("reason"):
        return measured(card, reason=str(answer["reason"]))
    value, evidence = answer.get("value"), answer.get("evidence")
    if not isinstance(value, int | float) or not isinstance(evidence, dict):
        return measured(card, reason=f"The scorer '{card.id}' gave an answer that is none.")
    took_ms = answer.get("took_ms")
    return measured(
        card,
        Measurement(float(value), evidence),
        took_ms=float(took_ms) if isinstance(took_ms, int | float) else None,
    )


def _environment(threads: int) -> dict[str, str]:
    """Return what the process may know, and where this one finds its modules."""
    known = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
    return {
        **known,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        # Libraries read it when they are imported; no score may depend on the number of cores.
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }


def _end(child: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
    """Close the channel, then end the process's whole group."""
    channel.close()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    child.wait()
