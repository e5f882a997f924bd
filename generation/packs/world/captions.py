"""The grammar that words a scene: synonyms, any order, attributes left unsaid by lot.

A badge and a row are always said, so that a prompt without one asks for none.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass

from generation.packs.world.scene import Scene

# The longest caption in tokens of the pack's vocabulary, start and end included.
MOST_TOKENS = 24
_MOST_WORDS = 20

_PREFIXES = (
    "", "", "", "product photo of", "a photo of", "studio shot of", "advertising photo of",
    "a picture of", "an image of", "professional product photograph of", "campaign image of",
)  # fmt: skip
_PLURALS = {"box": "boxes"}
_COUNTS: dict[int, tuple[str, ...]] = {
    1: ("a", "a", "a", "one", "a single", ""),
    2: ("two", "two", "a pair of"),
    3: ("three", "three", "a row of three"),
}
_SIZES = {"small": ("small", "little"), "large": ("large", "big")}
_BACKGROUNDS = {
    "white": ("on a white background", "on white", "in a white studio"),
    "grey": ("on a grey background", "on grey", "in a gray studio"),
    "beige": ("on a beige background", "on beige", "in a beige studio"),
    "navy": ("on a navy background", "on navy", "in a dark navy studio"),
    "mint": ("on a mint background", "on mint", "in a mint green studio"),
    "wood": ("on a wooden table", "on a wood table", "on wooden planks"),
    "marble": ("on marble", "on a marble surface", "on white marble"),
    "sunset": ("at sunset", "in front of a sunset", "in the evening sun"),
}
_BADGES = {
    "none": ("no badge", "without a badge"),
    "star": ("with a star badge", "with a gold star", "star badge"),
    "new": ("with a new badge", "with a red new sticker", "new badge"),
    "hazard": ("with a hazard sign", "with a warning badge", "with a hazard badge"),
}
_POSITIONS = {
    "left": ("on the left", "on the left side", "placed left"),
    "center": ("in the center", "in the middle", "centered"),
    "right": ("on the right", "on the right side", "placed right"),
}
_LIGHTS = {
    "none": ("soft light", "even light", "in soft light"),
    "left": ("lit from the left", "light from the left"),
    "right": ("lit from the right", "light from the right"),
}
_SAID = {
    "color": 0.96, "background": 0.95, "position": 0.6, "light": 0.4, "size": 0.5,
}  # fmt: skip
_SAID_WITHOUT_BADGE = 0.06
_TERSE, _SHUFFLED = 0.15, 0.5


@dataclass(frozen=True)
class Caption:
    """A text, and the attributes that it decides; of the others it says nothing."""

    text: str
    named: frozenset[str]


def caption(scene: Scene, rng: random.Random, said: Collection[str] = ()) -> str:
    """Word a scene; the attributes in `said` are always named, the others by lot.

    >>> "mug" in caption(Scene("mug", "red", "wood"), random.Random(1))
    True
    """
    return compose(scene, rng, said).text


def compose(scene: Scene, rng: random.Random, said: Collection[str] = ()) -> Caption:
    """Word a scene as `caption` does, and tell what the words decide."""
    named = {name for name, share in _SAID.items() if name in said or rng.random() < share}
    if scene.badge != "none" or "badge" in said or rng.random() < _SAID_WITHOUT_BADGE:
        named.add("badge")
    # What is dropped first when a caption would get too long.
    spare = [name for name in ("light", "size", "position") if name not in said]
    prefix = rng.choice(_PREFIXES)
    is_terse = rng.random() < _TERSE
    seed = rng.getrandbits(32)
    while True:
        text = _compose(scene, named, prefix, is_terse, random.Random(seed))  # noqa: S311
        if len(text.replace(",", " ,").split()) <= _MOST_WORDS:
            return Caption(text, frozenset(_decided(scene, named)))
        if prefix:
            prefix = ""
        elif spare:
            named.discard(spare.pop(0))
        else:
            is_terse = True


def _decided(scene: Scene, named: set[str]) -> set[str]:
    """Return what a text decides that says these; it decides badge and row by silence too."""
    decided = named | {"object", "badge", "count"}
    return decided if scene.count == 1 else decided - {"position", "size"}


def captions_of_swap(
    scene: Scene, other: Scene, attribute: str, rng: random.Random
) -> tuple[str, str]:
    """Word two scenes that differ in one attribute in the same way, naming that attribute.

    The negative that teaches most: two captions that differ in nothing but that word.
    """
    state = rng.getrandbits(64)
    said = {attribute} if attribute != "object" else set()
    right = caption(scene, random.Random(state), said)  # noqa: S311
    wrong = caption(other, random.Random(state), said)  # noqa: S311
    return right, wrong


def _compose(scene: Scene, named: set[str], prefix: str, is_terse: bool, rng: random.Random) -> str:
    """Put the parts together, each part's words by lot."""
    # One draw for each part whether it is said or not: two scenes then share all other choices.
    draws = {name: rng.random() for name in (
        "count", "size", "background", "badge", "position", "light",
    )}  # fmt: skip
    order = ["background", "position", "light", "badge"]
    if rng.random() < _SHUFFLED:
        rng.shuffle(order)
    joint = rng.choice((" ", " ", ", "))
    wording = {
        "background": (scene.background,) if is_terse else _BACKGROUNDS[scene.background],
        "badge": _BADGES[scene.badge],
        "position": (scene.position,) if is_terse else _POSITIONS[scene.position],
        "light": _LIGHTS[scene.light],
    }
    is_row = scene.count > 1
    parts = [
        _pick(wording[name], draws[name])
        for name in order
        if name in named and not (is_row and name == "position")
    ]
    words = [
        prefix,
        _pick(_COUNTS[scene.count], draws["count"]) if is_row or not is_terse else "",
        _pick(_SIZES[scene.size], draws["size"]) if "size" in named and not is_row else "",
        scene.color if "color" in named else "",
        _PLURALS.get(scene.object, f"{scene.object}s") if is_row else scene.object,
    ]
    subject = " ".join(word for word in words if word)
    return (", " if is_terse else joint).join([subject, *parts])


def _pick(choices: tuple[str, ...], draw: float) -> str:
    """Return the choice that a number in [0, 1) falls on."""
    return choices[int(draw * len(choices))]
