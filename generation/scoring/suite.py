"""All scorers of one profile, run one by one; one that fails is recorded and hides no other."""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from generation.scoring import discover, evidence
from generation.scoring.cards import Card, card_of
from generation.scoring.embedding import Encoder
from generation.scoring.prompt_match import PromptMatch
from generation.scoring.protocol import (
    Input,
    Loads,
    Measurement,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from generation.scoring.verdict import Measured
from generation.scoring.watch import Watch
from governance.kernel.errors import DomainError

REASON_MAX = 300
ENCODER = "encoder"
OUT_OF_MEMORY = "ran out of memory"

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class ScoringSuite:
    """Scorers with different ids, and the one encoder whose embeddings they share.

    `watches` sees to the model folders of scorers, by id (`encoder` for the encoder's); `packages`
    says who brings a scorer, by id.
    """

    scorers: tuple[Scorer, ...]
    encoder: Encoder | None = None
    watches: Mapping[str, Watch] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse two scorers of one id, whose scores nobody could tell apart."""
        ids = [scorer.id for scorer in self.scorers]
        if len(set(ids)) != len(ids):
            raise ScorerUnavailable(
                f"Two scorers have the same id; there are: {', '.join(sorted(ids))}."
            )

    @classmethod
    def from_folder(
        cls, folder: Path, entries: Iterable[ScorerEntry], *, device: str = "cpu"
    ) -> "ScoringSuite":
        """Build the scorers that a manifest in `folder` lists, and those that need no model.

        The model of the first prompt match is the suite's encoder. Models are verified and loaded
        at the first image, so a broken one holds items instead of stopping the worker.
        Raises: ScorerUnavailable if an entry is of no known kind or misstated.
        """
        kinds = discover.discover()
        built: list[Scorer] = []
        watches: dict[str, Watch] = {}
        packages: dict[str, str] = {}
        for entry in entries:
            scorer = discover.build(entry, folder, device)
            built.append(scorer)
            watches[scorer.id] = Watch(entry.resolve(folder), entry.snapshot_sha256)
            packages[scorer.id] = kinds[entry.kind].package
            if isinstance(scorer, PromptMatch) and ENCODER not in watches:
                watches[ENCODER] = watches[scorer.id]
        for kind in kinds.values():
            if kind.build is None:
                built.append(discover.make(kind))
                packages[kind.name] = kind.package
        encoder = next((s.encoder for s in built if isinstance(s, PromptMatch)), None)
        return cls(tuple(built), encoder, watches, packages)

    @property
    def cards(self) -> tuple[Card, ...]:
        """Say of every scorer what it is, in the suite's order."""
        return tuple(card_of(each, self.packages.get(each.id, "")) for each in self.scorers)

    @property
    def is_spoiled(self) -> bool:
        """Tell whether a model's files were changed under it, so that the process must end."""
        return any(watch.is_spoiled for watch in self.watches.values())

    def measure(self, samples: Sequence[Sample]) -> tuple[tuple[Measured, ...], ...]:
        """Let every scorer measure every sample: one tuple for each, in their order.

        Embeddings that samples lack are made here, once for all scorers.
        """
        seen, failure = self.embed(samples)
        columns = []
        for scorer in self.scorers:
            reason = self.load(scorer, no_embedding=failure)
            columns.append(
                [measured(scorer, reason=reason) for _ in samples]
                if reason
                else self.score(scorer, seen)
            )
        return tuple(zip(*columns, strict=True)) if columns else tuple(() for _ in samples)

    def load_encoder(self) -> str | None:
        """Load the encoder, or say why there is none."""
        encoder = self.encoder
        if encoder is None:
            return "The profile has no encoder, so there is no embedding."

        def load() -> None:
            self._check(ENCODER)
            encoder.load()

        return _attempt(ENCODER, load)[1]

    def embed(self, samples: Sequence[Sample]) -> tuple[list[Sample], str | None]:
        """Return the samples with the embeddings that they lack, or why there are none."""
        encoder, reason = self.encoder, self.load_encoder()
        if reason or encoder is None:
            return list(samples), reason
        seen, reason = _attempt(ENCODER, lambda: [_embedded(encoder, each) for each in samples])
        return seen or list(samples), reason

    def load(self, scorer: Scorer, *, no_embedding: str | None = None) -> str | None:
        """Ready a scorer, or say why it cannot measure: no embedding, or an unusable model."""
        if no_embedding and Input.EMBEDDING in scorer.inputs:
            return no_embedding

        def load() -> None:
            self._check(scorer.id)
            if isinstance(scorer, Loads):
                scorer.load()

        return _attempt(scorer.id, load)[1]

    def score(self, scorer: Scorer, samples: Sequence[Sample]) -> list[Measured]:
        """Let one scorer measure a group; image by image if the group fails."""

        def score() -> list[Measurement]:
            said = _require_measurements(scorer.score(samples), len(samples))
            # A model that was changed meanwhile may have measured with other weights.
            self._check(scorer.id)
            if Input.EMBEDDING in scorer.inputs:
                self._check(ENCODER)
            return said

        started = perf_counter()
        said, reason = _attempt(scorer.id, score)
        if said is None and len(samples) > 1:
            return [each for sample in samples for each in self.score(scorer, [sample])]
        if said is None:
            return [measured(scorer, reason=reason) for _ in samples]
        took_ms = (perf_counter() - started) * 1000 / max(len(samples), 1)
        return [measured(scorer, each, took_ms=took_ms) for each in said]

    def _check(self, name: str) -> None:
        watch = self.watches.get(name)
        if watch is not None:
            watch.check()


def measured(
    scorer: "Scorer | Card",
    measurement: Measurement | None = None,
    *,
    reason: str | None = None,
    took_ms: float | None = None,
) -> Measured:
    """Write down what a scorer said of one image, or why it said nothing."""
    return Measured(
        scorer=scorer.id,
        version=scorer.version,
        weights_sha256=scorer.weights_sha256,
        licence=scorer.licence,
        higher_is=scorer.higher_is,
        range=scorer.range,
        measurement=measurement,
        reason=reason[:REASON_MAX] if reason else None,
        title=scorer.title,
        inputs=tuple(sorted(scorer.inputs)),
        took_ms=took_ms,
    )


def _embedded(encoder: Encoder, sample: Sample) -> Sample:
    """Return a sample with the encoder's embeddings of its image and prompt."""
    text, is_cut = encoder.embed_text(sample.prompt)
    return dataclasses.replace(
        sample,
        embedding=encoder.embed_image(sample.image)
        if sample.embedding is None
        else sample.embedding,
        text_embedding=text,
        encoder_sha256=encoder.weights_sha256,
        prompt_is_cut=is_cut,
    )


def _require_measurements(said: object, count: int) -> list[Measurement]:
    """Insist on one measurement for each sample, with a number and tidy evidence.

    Raises: TypeError, ValueError for a scorer from elsewhere that answers otherwise.
    """
    if not isinstance(said, Sequence) or any(not isinstance(m, Measurement) for m in said):
        message = f"a scorer returned {type(said).__name__}, not measurements"
        raise TypeError(message)
    if len(said) != count:
        message = f"a scorer returned {len(said)} measurements for {count} samples"
        raise ValueError(message)
    for each in said:
        if not isinstance(each.value, Real) or isinstance(each.value, bool):
            message = f"a scorer gave a {type(each.value).__name__} as its value"
            raise TypeError(message)
    return [Measurement(float(m.value), evidence.tidy(m.evidence)) for m in said]


def _attempt(scorer: str, act: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what an act gives, or say for a person why it gives nothing; the log has the cause."""
    try:
        return act(), None
    except DomainError as error:
        logger.warning("Scorer is unavailable", extra={"scorer": scorer, "error_code": error.code})
        return None, error.detail
    except Exception as error:
        logger.exception("Unable to score", extra={"scorer": scorer})
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return None, f"The scorer '{scorer}' {OUT_OF_MEMORY}."
        return None, f"The scorer '{scorer}' failed ({type(error).__name__})."
