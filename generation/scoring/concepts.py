"""Whether an image shows what a brand does not want to see, described in words (zero-shot).

The words come from the brand's scoring policy with each sample; the encoder is the suite's one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from generation.scoring import heat
from generation.scoring.embedding import Encoder, open_encoder
from generation.scoring.loading import read_cost_ms, read_title, refuse_unknown
from generation.scoring.protocol import (
    Concept,
    Direction,
    Input,
    Measurement,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    Vector = NDArray[np.float64]

# What an image is compared with besides the concept's own `against`: nothing in particular.
NEUTRAL = ("a photo", "a product photo", "a picture of an object", "a plain background")
_EXPLAIN_FROM = 0.5
_SETTINGS = ("neutral", "scale", "offset", "explain_from", "grid")
_TITLE = "Unwanted things, by description"
_COST_MS = 5.0
_CONCEPTS_MAX = 40
_TEXTS_MAX = 40
_TEXT_MAX = 200
_NAME_MAX = 60
_KEPT_TEXTS_MAX = 4096
_DIGITS = 6


@dataclass(frozen=True)
class Calibration:
    """How a margin becomes a probability: sigmoid(scale * margin + offset).

    Fitted on labelled images; 1 and 0 leave the softmax as the model gives it.
    Source: Platt, Advances in Large Margin Classifiers, 1999.
    """

    scale: float = 1.0
    offset: float = 0.0

    def apply(self, margin: float) -> float:
        """Return the probability.

        >>> Calibration().apply(0.0), round(Calibration(2.0, 1.0).apply(-0.5), 3)
        (0.5, 0.5)
        >>> Calibration().apply(-1e9), Calibration().apply(1e9)
        (0.0, 1.0)
        """
        exponent = self.scale * margin + self.offset
        if exponent >= 0:
            return 1 / (1 + math.exp(-min(exponent, 700.0)))
        return math.exp(max(exponent, -700.0)) / (1 + math.exp(max(exponent, -700.0)))


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer of a manifest entry, whose folder is the one of the prompt match.

    Settings, all optional: `neutral` (list of texts), `scale` and `offset` (the calibration),
    `explain_from` and `grid` (see heat.py). Raises: ScorerUnavailable for any other shape.
    """
    refuse_unknown("concepts", entry.settings, _SETTINGS)
    encoder = open_encoder(entry.resolve(root), entry.snapshot_sha256, device)
    neutral = entry.settings.get("neutral", NEUTRAL)
    if not isinstance(neutral, list | tuple) or not neutral or not all(map(_is_text, neutral)):
        raise ScorerUnavailable("The setting 'neutral' of the concept scorer is a list of texts.")
    return Concepts(
        encoder=encoder,
        weights_sha256=entry.snapshot_sha256,
        licence=entry.licence,
        neutral=tuple(neutral),
        calibration=_read_calibration(entry.settings),
        id=entry.id or "concepts",
        title=read_title(entry.settings, _TITLE),
        cost_ms=read_cost_ms(entry.settings, _COST_MS),
        explain_from=heat.read_explain_from(entry.settings, _EXPLAIN_FROM),
        grid=heat.read_grid(entry.settings),
    )


def read(data: object, *, under: str = "/concepts") -> tuple[Concept, ...]:
    """Read concepts as a policy stores them.

    data: [{"name": text, "prompts": [text, ...], "against": [text, ...]}]; `against` may be left
    out. Raises: InvalidInput, with a pointer to what is wrong.
    """
    if not isinstance(data, list | tuple) or len(data) > _CONCEPTS_MAX:
        raise InvalidInput(
            f"Concepts are a list of at most {_CONCEPTS_MAX}.", pointer=under, rule="type"
        )
    concepts = tuple(_read(each, f"{under}/{index}") for index, each in enumerate(data))
    names = [concept.name for concept in concepts]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidInput(
                f"There are two concepts named '{name}'.",
                pointer=f"{under}/{index}/name",
                rule="unique",
            )
    return concepts


def digest(concepts: Sequence[Concept], neutral: Sequence[str], calibration: Calibration) -> str:
    """Return the SHA-256 of everything in words and numbers that decides a value.

    Two values by the same weights can be compared only if this is the same, too.
    """
    return sha256_hex(
        canonical_json(
            {
                "concepts": [
                    {"name": c.name, "prompts": list(c.prompts), "against": list(c.against)}
                    for c in concepts
                ],
                "neutral": list(neutral),
                "scale": calibration.scale,
                "offset": calibration.offset,
            }
        )
    )


@dataclass
class Concepts:
    """The probability that the image shows the likeliest of the concepts.

    The prompts of a concept are averaged into one direction; its margin is the model's logit for it
    less the log-sum-exp of the logits of all texts it is held against: its own `against`, and the
    neutral ones. The calibration turns the margin into a probability; as it is, that is a softmax.
    Without concepts the value is 0.

    Source: Radford et al., arXiv:2103.00020, section 3.1.4 (ensembles of prompts).
    """

    encoder: Encoder
    weights_sha256: str | None
    licence: str
    neutral: tuple[str, ...] = NEUTRAL
    calibration: Calibration = Calibration()
    id: str = "concepts"
    title: str = _TITLE
    cost_ms: float = _COST_MS
    explain_from: float = _EXPLAIN_FROM
    grid: int = heat.GRID
    _texts: dict[str, "Vector"] = field(default_factory=dict, init=False, repr=False)

    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE, Input.EMBEDDING, Input.CONCEPTS})

    @property
    def folder(self) -> Path:
        """Return the encoder's folder."""
        return self.encoder.folder

    def load(self) -> None:
        """Verify and load the encoder once."""
        self.encoder.load()

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Hold each image against every concept; the probability of each is the evidence."""
        return [self._measure(sample) for sample in samples]

    def _measure(self, sample: Sample) -> Measurement:
        facts: dict[str, object] = {
            "concepts_sha256": digest(sample.concepts, self.neutral, self.calibration)
        }
        if not sample.concepts:
            return Measurement(0.0, {**facts, "concepts": 0})
        if sample.embedding is None:
            raise ScorerUnavailable("There is no embedding of this image to compare concepts with.")
        embedding = sample.embedding.astype(np.float64)
        shares = {each.name: self._probability(embedding, each) for each in sample.concepts}
        likeliest = max(sample.concepts, key=lambda each: shares[each.name])
        value = shares[likeliest.name]
        facts["likeliest"] = likeliest.name
        facts["probabilities"] = {name: round(share, _DIGITS) for name, share in shares.items()}
        if self.grid and value >= self.explain_from:
            look = partial(self._look, likeliest)
            facts |= heat.find(sample.image, look, label=likeliest.name, grid=self.grid)
        return Measurement(value, facts)

    def _look(self, concept: Concept, images: Sequence["Image"]) -> list[float]:
        return [
            self._probability(embedding.astype(np.float64), concept)
            for embedding in self.encoder.embed_group(images)
        ]

    def _probability(self, embedding: "Vector", concept: Concept) -> float:
        """Return the calibrated probability that a unit embedding shows the concept."""
        scale = self.encoder.logit_scale
        shown = self._direction(concept.prompts)
        others = np.array(
            [self._embed(text) @ embedding for text in (*concept.against, *self.neutral)]
        )
        logits = scale * others
        peak = float(logits.max())
        against = peak + math.log(float(np.exp(logits - peak).sum()))
        return self.calibration.apply(scale * float(shown @ embedding) - against)

    def _direction(self, prompts: Sequence[str]) -> "Vector":
        """Return the mean of the prompts' embeddings, at unit length."""
        mean: Vector = np.mean([self._embed(prompt) for prompt in prompts], axis=0)
        length = math.sqrt(float(mean @ mean))
        if length == 0:
            raise ScorerUnavailable("The prompts of a concept point nowhere when put together.")
        return mean / length

    def _embed(self, text: str) -> "Vector":
        """Embed a text once; a prompt that the encoder cannot read to its end is not half meant."""
        if text not in self._texts:
            vector, is_cut = self.encoder.embed_text(text)
            if is_cut:
                raise ScorerUnavailable(
                    f"The encoder cannot read all of the concept prompt '{text}': shorten it."
                )
            if len(self._texts) >= _KEPT_TEXTS_MAX:
                self._texts.clear()
            self._texts[text] = vector.astype(np.float64)
        return self._texts[text]


def _read(data: object, pointer: str) -> Concept:
    """Read one concept, naming what is wrong with it."""
    if not isinstance(data, Mapping):
        raise InvalidInput("A concept is an object.", pointer=pointer, rule="type")
    unknown = sorted(str(name) for name in set(data) - {"name", "prompts", "against"})
    if unknown:
        raise InvalidInput(
            f"A concept has no field '{unknown[0]}'.",
            pointer=f"{pointer}/{unknown[0]}",
            rule="unknown",
        )
    name = data.get("name")
    if not _is_text(name) or len(str(name)) > _NAME_MAX:
        raise InvalidInput(
            f"A concept has a name of at most {_NAME_MAX} characters.",
            pointer=f"{pointer}/name",
            rule="required",
        )
    prompts = _read_texts(data.get("prompts"), f"{pointer}/prompts")
    if not prompts:
        raise InvalidInput(
            "A concept needs at least one prompt.", pointer=f"{pointer}/prompts", rule="required"
        )
    against = _read_texts(data.get("against", []), f"{pointer}/against")
    return Concept(str(name), prompts, against)


def _read_texts(data: object, pointer: str) -> tuple[str, ...]:
    """Read a list of texts."""
    if (
        not isinstance(data, list | tuple)
        or len(data) > _TEXTS_MAX
        or not all(_is_text(text) and len(text) <= _TEXT_MAX for text in data)
    ):
        raise InvalidInput(
            f"A concept's texts are a list of at most {_TEXTS_MAX}, each of 1 to {_TEXT_MAX} "
            "characters.",
            pointer=pointer,
            rule="type",
        )
    return tuple(data)


def _read_calibration(settings: Mapping[str, object]) -> Calibration:
    """Read `scale`, which is positive, and `offset`."""
    scale, offset = (
        _read_number(settings, name, usual) for name, usual in (("scale", 1.0), ("offset", 0.0))
    )
    if scale <= 0:
        raise ScorerUnavailable("The setting 'scale' of the concept scorer must be positive.")
    return Calibration(scale, offset)


def _read_number(settings: Mapping[str, object], name: str, usual: float) -> float:
    value = settings.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ScorerUnavailable(
            f"The setting '{name}' of the concept scorer must be a finite number."
        )
    return float(value)


def _is_text(value: object) -> bool:
    """Tell whether a value is a text with something in it."""
    return isinstance(value, str) and bool(value.strip())
