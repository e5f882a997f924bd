"""The kit that every scorer passes: what policies, screens and the ledger rely on.

    python -m generation.scoring.conformance NAME
    python -m generation.scoring.conformance KIND --folder FOLDER --licence CC0-1.0

From a test: `assert conformance.check(MyScorer()) == []`.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from generation.scoring import discover, evidence
from generation.scoring.cards import Card, card_of
from generation.scoring.protocol import (
    Concept,
    Input,
    Loads,
    Measurement,
    Neighbour,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from generation.weights import runtime, snapshot
from governance.kernel.digests import is_sha256
from governance.kernel.errors import DomainError

_ID = re.compile(r"[a-z][a-z0-9_]{0,59}")
_COST_MAX_MS = 60_000
_SENTENCE_MIN = 15


def check(
    scorer: Scorer,
    *,
    folder: Path | None = None,
    embedding_width: int = 64,
    encoder_sha256: str = "0" * 64,
) -> list[str]:
    """Return what is wrong with a scorer, in plain sentences; nothing means that it conforms.

    `folder` is its model folder, if it has one; `embedding_width` and `encoder_sha256` are those
    of its encoder.
    """
    faults = [*_check_card(scorer), *_check_weights(scorer, folder)]
    if faults:
        # With a card that nobody can read, what it measures means nothing.
        return faults
    samples = draw_samples(embedding_width, encoder_sha256)
    usual = samples["usual"], samples["other"], samples["bare"]
    try:
        if isinstance(scorer, Loads):
            scorer.load()
        first = scorer.score(usual)
        again = scorer.score(usual)
        turned = scorer.score(usual[::-1])
        single = [scorer.score([sample])[0] for sample in usual]
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        return [f"It does not measure an ordinary image: {type(error).__name__}: {error}"]
    faults += _check_answer(scorer, "an ordinary group", first, len(usual))
    if not faults:
        if _facts(first) != _facts(again):
            faults.append("It gives another value for the same image when it is asked again.")
        if _facts(first) != _facts(single):
            faults.append("An image measures otherwise in a group than by itself.")
        if _facts(turned) != _facts(first)[::-1]:
            faults.append("Its measurements do not stand in the order of the samples.")
    for name, sample in samples.items():
        if sample not in usual:
            faults += _check_odd(scorer, name, sample)
    return faults


def _check_card(scorer: Scorer) -> list[str]:
    """Check what a scorer says about itself."""
    try:
        card = card_of(scorer)
        json.dumps(card.to_data())
        return [f"{rule} This one does not hold." for rule, holds in _rules(card) if not holds]
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        return [f"It does not say what it is: {type(error).__name__}: {error}"]


def _rules(card: Card) -> Iterator[tuple[str, bool]]:
    """Yield each rule for a card, and whether it holds."""
    low, high = card.range
    for name, text, most in (
        ("title", card.title, 80),
        ("version", card.version, 40),
        ("licence", card.licence, 120),
    ):
        yield f"Its {name} is a text of 1 to {most} characters.", 0 < len(text) <= most
    yield (
        "Its id is a-z, 0-9 and _, begins with a letter and has at most 60 characters.",
        _ID.fullmatch(card.id) is not None,
    )
    yield "Its higher_is is 'better' or 'worse'.", card.higher_is in {"better", "worse"}
    yield "Its range is two numbers, the lower first.", low < high
    yield (
        "Its inputs are a frozenset of Input, at least one.",
        isinstance(card.inputs, frozenset)
        and bool(card.inputs)
        and all(isinstance(each, Input) for each in card.inputs),
    )
    yield (
        f"Its cost_ms is a number from 0 to {_COST_MAX_MS}.",
        0 <= card.cost_ms <= _COST_MAX_MS,
    )
    yield (
        "Its weights_sha256 is a SHA-256, or None for a formula.",
        card.weights_sha256 is None or is_sha256(card.weights_sha256),
    )


def _check_weights(scorer: Scorer, folder: Path | None) -> Iterator[str]:
    """Check that the digest is that of the folder."""
    if scorer.weights_sha256 is not None and folder is not None:
        try:
            snapshot.verify(folder, scorer.weights_sha256)
        except DomainError as error:
            yield error.detail


def _check_answer(scorer: Scorer, name: str, said: object, count: int) -> Iterator[str]:
    """Check one answer: one measurement each, in the range, with evidence that screens can draw."""
    if not isinstance(said, Sequence) or len(said) != count:
        yield f"For {name} it does not give one measurement for each sample."
        return
    low, high = scorer.range
    for each in said:
        if not isinstance(each, Measurement) or not isinstance(each.value, int | float):
            yield f"For {name} it gives a {type(each).__name__}, not a Measurement with a number."
            return
        if not math.isfinite(each.value) or not low <= each.value <= high:
            yield f"For {name} its value {each.value} lies outside of its range {low} to {high}."
        yield from (f"For {name}: {fault}" for fault in _check_evidence(each.evidence))


def _check_evidence(shown: Mapping[str, object]) -> Iterator[str]:
    try:
        size = len(json.dumps(dict(shown), allow_nan=False))
    except (TypeError, ValueError) as error:
        yield f"Its evidence is not JSON: {error}"
        return
    if size > evidence.BYTES_MAX:
        yield f"Its evidence has {size} bytes; at most {evidence.BYTES_MAX} are kept."
    for key, value in shown.items():
        fault = evidence.find_fault(key, evidence.plain(value))
        if fault:
            yield f"Its evidence has another shape than screens draw: {fault}."


def _check_odd(scorer: Scorer, name: str, sample: Sample) -> Iterator[str]:
    """Check an odd sample: a measurement, or a refusal in a sentence."""
    try:
        said = scorer.score([sample])
    except (ValueError, DomainError) as error:
        text = error.detail if isinstance(error, DomainError) else str(error)
        if len(text) < _SENTENCE_MIN:
            yield f"It refuses {name} without saying why."
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        yield f"For {name} it raises {type(error).__name__} instead of a sentence: {error}"
    else:
        yield from _check_answer(scorer, name, said, 1)


def _facts(said: Sequence[Measurement]) -> list[str]:
    """Write measurements to the last bit, to compare them."""
    return [f"{float(m.value).hex()} {json.dumps(dict(m.evidence), sort_keys=True)}" for m in said]


def draw_samples(embedding_width: int = 64, encoder_sha256: str = "0" * 64) -> dict[str, Sample]:
    """Draw ordinary and odd samples by name; the same ones every time."""
    photo, other = _draw((96, 128), 1), _draw((128, 96), 2)
    vectors = np.random.default_rng(5).normal(size=(4, embedding_width)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    usual = Sample(
        image=photo,
        prompt="a red mug on a wooden table",
        palette=("#c81e28", "#ffffff"),
        wanted_text="SALE",
        neighbours=(Neighbour("0" * 32, 0x0F0F0F0F0F0F0F0F, unit[2]), Neighbour("1" * 32, 7)),
        concepts=(Concept("hazard", ("a hazard sign",), ("a plain table",)),),
        embedding=unit[0],
        text_embedding=unit[1],
        encoder_sha256=encoder_sha256,
    )
    return {
        "usual": usual,
        "other": replace(usual, image=other, prompt="a blue bottle", embedding=unit[3]),
        "bare": replace(
            usual, palette=(), wanted_text=None, neighbours=(), concepts=(), prompt="a mug"
        ),
        "an image of 1 x 1 px": replace(usual, image=Image.new("RGB", (1, 1), "white")),
        "an image of 1 x 200 px": replace(usual, image=Image.new("RGB", (1, 200), "navy")),
        "a grey image": replace(usual, image=photo.convert("L").convert("RGB")),
        "a black image": replace(usual, image=Image.new("RGB", (64, 64))),
        "a white image": replace(usual, image=Image.new("RGB", (64, 64), "white")),
        "a large image": replace(usual, image=_draw((1600, 1200), 3)),
        "an empty prompt": replace(usual, prompt="", wanted_text=""),
        "a prompt of 10,000 characters": replace(usual, prompt="mug " * 2500),
        "a prompt from right to left": replace(usual, prompt="כוס אדומה על שולחן \u202e"),
        "a prompt of emoji and mixed scripts": replace(usual, prompt="☕🔴 κούπα 赤い \u0000"),
        "no embedding": replace(usual, embedding=None, text_embedding=None, encoder_sha256=None),
    }


def _draw(size: tuple[int, int], seed: int) -> Image.Image:
    """Draw a few shapes on a slope of light with a little noise."""
    width, height = size
    random = np.random.default_rng(seed)
    slope = np.linspace(70, 220, width)[None, :, None] + np.zeros((height, 1, 3))
    noisy = slope + random.normal(0, 4, slope.shape)
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        draw.rectangle((x, y, x + width // 4, y + height // 5), fill=color)
    return image


def open_scorer(name: str, entry: ScorerEntry | None, root: Path) -> Scorer:
    """Return the scorer of an entry point; a kind with a model needs an entry.

    Raises: ScorerUnavailable if there is none, or it cannot be made.
    """
    kind = discover.discover().get(name)
    if entry is not None:
        return discover.build(entry, root, "cpu")
    if kind is None or (kind.make is None and kind.failure is None):
        known = ", ".join(sorted(k.name for k in discover.discover().values() if k.make))
        raise ScorerUnavailable(
            f"There is no scorer without a model named '{name}'. There is: {known}. A kind with a "
            "model is checked with its folder.",
            kind=name,
        )
    scorer = discover.make(kind)
    if isinstance(scorer, discover.Broken):
        raise ScorerUnavailable(scorer.failure, kind=name)
    return scorer


def check_named(
    name: str,
    *,
    folder: Path | None = None,
    licence: str = "unknown",
    settings: Mapping[str, Any] | None = None,
    embedding_width: int = 64,
    encoder_sha256: str = "0" * 64,
) -> list[str]:
    """Return what is wrong with the scorer of an entry point, with its model in `folder` if any."""
    runtime.prepare_process()
    try:
        entry = None
        if folder is not None:
            digest = snapshot.digest_folder(folder).sha256
            entry = ScorerEntry(name, folder.name, digest, licence, settings or {})
        scorer = open_scorer(name, entry, folder.parent if folder else Path())
        return check(
            scorer, folder=folder, embedding_width=embedding_width, encoder_sha256=encoder_sha256
        )
    except DomainError as error:
        return [error.detail]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `check_named` takes, for this command line and for others."""
    parser.add_argument("name", help="the name of the entry point")
    parser.add_argument("--folder", type=Path, help="the model folder of a kind with a model")
    parser.add_argument("--licence", default="unknown", help="the licence of its weights")
    parser.add_argument("--settings", type=json.loads, default={}, help="its settings, as JSON")
    parser.add_argument("--embedding-width", type=int, default=64, help="of its encoder, if any")
    parser.add_argument("--encoder-sha256", default="0" * 64, help="of its encoder, if it pins one")


def main(arguments: Sequence[str]) -> int:
    """Check one scorer from the command line; 0 if it conforms."""
    parser = argparse.ArgumentParser(prog="python -m generation.scoring.conformance")
    add_arguments(parser)
    told = vars(parser.parse_args(arguments))
    faults = check_named(**told)
    for fault in faults:
        print(f"- {fault}")  # noqa: T201
    print(f"{told['name']}: {'does not conform' if faults else 'conforms'}")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
