"""Scoring in a process of its own: whatever a scorer does to it, the worker lives on.

A scorer may raise, hang, eat memory, crash or answer nonsense: the item holds. The process is
started once, used again for every image, and replaced when it had to be ended. It gets none of the
worker's secrets.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from generation.scoring import cascade
from generation.scoring.cards import Card
from generation.scoring.cascade import Cascade
from generation.scoring.process import Features, Limits, Picture, Process, ProcessLost, unpack
from generation.scoring.protocol import ScorerEntry, ScorerUnavailable
from generation.scoring.suite import ENCODER, measured
from generation.scoring.verdict import Measured

logger = logging.getLogger(__name__)

_STRIKES_MAX = 3
_REST_S = 600.0


@dataclass
class IsolatedSuite:
    """The scorers of one profile, in a process of their own; for one thread at a time."""

    folder: Path
    entries: tuple[ScorerEntry, ...]
    device: str = "cpu"
    threads: int = 1
    limits: Limits = field(default_factory=Limits)
    _process: "Process | None" = field(default=None, init=False, repr=False)
    _cards: tuple[Card, ...] = field(default=(), init=False, repr=False)
    _strikes: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _rests_until: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    @property
    def cards(self) -> tuple[Card, ...]:
        """Say of every scorer what it is. Raises: ScorerUnavailable if the suite cannot start."""
        self._alive()
        return self._cards

    @property
    def is_alive(self) -> bool:
        """Whether the process stands ready; one that does not is started by the next question."""
        process = self._process
        return process is not None and process.is_alive

    def start(self) -> None:
        """Start the process, so that a suite that cannot be built shows before an image is made.

        Raises: ScorerUnavailable.
        """
        self._alive()

    def look(self, data: bytes) -> Features:
        """Return what finds near-duplicates of an image; whatever goes wrong is its `reason`."""
        try:
            return self._alive().look(data)
        except ScorerUnavailable as error:
            return Features(reason=error.detail)
        except ProcessLost as lost:
            self.close()
            return Features(reason=str(lost))

    def measure(
        self,
        pictures: Sequence[Picture],
        cascades: Sequence[Cascade] = (),
        *,
        leave_out: Collection[str] = (),
    ) -> tuple[tuple[Measured, ...], ...]:
        """Let every scorer measure every picture: one tuple for each, in their order.

        A scorer that only gives second opinions measures the pictures for which it is asked; those
        to `leave_out` measure none.
        Raises: ScorerUnavailable if the suite cannot start at all.
        """
        self._alive()
        waits = cascade.seconds(cascades)
        at_work = [card.id for card in self._cards if card.id not in leave_out]
        first = self._run(pictures, [each for each in at_work if each not in waits])
        rows = [list(row) for row in zip(*first.values(), strict=True)] or [[] for _ in pictures]
        for row, picture in zip(rows, pictures, strict=True):
            asked = cascade.asked(cascades, row)
            second = self._run([picture], [each for each in at_work if each in asked])
            row.extend(each for (each,) in second.values())
        return tuple(tuple(row) for row in rows)

    def close(self) -> None:
        """End the process; the next image starts another one."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _run(self, pictures: Sequence[Picture], wanted: Sequence[str]) -> dict[str, list[Measured]]:
        """Ask some scorers, with a new process after each that loses one."""
        asking = _Round(pictures, {card.id: card for card in self._cards})
        for scorer in wanted:
            if monotonic() < self._rests_until.get(scorer, 0.0):
                asking.give_up([scorer], self._say_rest(scorer))
        while waiting := asking.waiting(wanted):
            try:
                for scorer, answers in self._alive().ask(pictures, waiting, asking.no_embedding):
                    if not asking.take(scorer, answers):
                        self.close()
                        break
                    self._strikes.pop(scorer, None)
            except ScorerUnavailable as error:
                asking.give_up(waiting, error.detail)
            except ProcessLost as lost:
                self.close()
                logger.warning("Lost the scoring process", extra={"scorer": lost.scorer})
                if asking.blame(lost, waiting):
                    self._strike(lost.scorer)
        if self._process is not None and self._process.is_spoiled:
            self.close()
        return {scorer: asking.said[scorer] for scorer in wanted}

    def _alive(self) -> Process:
        """Return the process, started if there is none. Raises: ScorerUnavailable."""
        if self._process is not None and not self._process.is_alive:
            self.close()
        if self._process is None:
            self._process = Process(
                {
                    "folder": str(self.folder),
                    "entries": [asdict(entry) for entry in self.entries],
                    "device": self.device,
                    "threads": self.threads,
                    "memory_mb": self.limits.memory_mb,
                },
                self.limits,
            )
            try:
                self._cards = self._process.greet()
            except ScorerUnavailable:
                self.close()
                raise
        return self._process

    def _strike(self, scorer: str) -> None:
        """Count a lost process against a scorer; after three in a row it has to rest."""
        self._strikes[scorer] = self._strikes.get(scorer, 0) + 1
        if self._strikes[scorer] >= _STRIKES_MAX:
            self._strikes.pop(scorer)
            self._rests_until[scorer] = monotonic() + _REST_S

    def _say_rest(self, scorer: str) -> str:
        minutes = max(1, round((self._rests_until[scorer] - monotonic()) / 60))
        return (
            f"The scorer '{scorer}' ended its process {_STRIKES_MAX} times in a row; this worker "
            f"asks it again in {minutes} min."
        )


@dataclass
class _Round:
    """What is known so far of one group of pictures, over all processes that it took."""

    pictures: Sequence[Picture]
    cards: Mapping[str, Card]
    said: dict[str, list[Measured]] = field(default_factory=dict)
    no_embedding: str | None = None
    again: set[str] = field(default_factory=set)
    was_lost: bool = False

    def waiting(self, wanted: Iterable[str]) -> list[str]:
        """Return who has not answered; who failed for want of memory first, to have all of it."""
        left = [scorer for scorer in wanted if scorer not in self.said]
        return sorted(left, key=lambda scorer: scorer not in self.again)

    def take(self, scorer: str, answers: Sequence[Mapping[str, Any]]) -> bool:
        """Take answers; False asks once more in a new process, where no other one took memory."""
        if scorer not in self.again and any(answer.get("is_memory") for answer in answers):
            self.again.add(scorer)
            return False
        self.said[scorer] = [unpack(self.cards[scorer], answer) for answer in answers]
        return True

    def give_up(self, scorers: Iterable[str], reason: str) -> None:
        """Write down why scorers said nothing."""
        for scorer in scorers:
            self.said[scorer] = [measured(self.cards[scorer], reason=reason) for _ in self.pictures]

    def blame(self, lost: ProcessLost, waiting: Sequence[str]) -> bool:
        """Write down what the loss of the process tells; True if one scorer is to blame.

        If nobody is, and nothing was said since the process was asked, it is asked once more: it
        may have been ended from outside. What ends a second one without a name ends all.
        """
        if lost.scorer in waiting:
            self.give_up([lost.scorer], str(lost))
            return True
        if lost.scorer == ENCODER and self.no_embedding is None:
            self.no_embedding = str(lost)
        elif not self.said.keys() & set(waiting):
            if self.was_lost:
                self.give_up(waiting, str(lost))
            self.was_lost = True
        return False
