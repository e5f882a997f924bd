"""What can be in a picture of the demo world: the words, and how a scene is drawn by lot."""

import random
from dataclasses import dataclass, replace

OBJECTS = (
    "bottle", "mug", "box", "phone", "shoe", "lamp", "chair", "bag", "clock", "vase",
)  # fmt: skip
COLORS = {
    "red": (208, 38, 44),
    "orange": (242, 126, 24),
    "yellow": (250, 208, 40),
    "green": (44, 150, 62),
    "teal": (18, 148, 156),
    "blue": (40, 92, 214),
    "purple": (128, 58, 176),
    "pink": (244, 130, 178),
    "black": (40, 40, 44),
    "white": (244, 243, 240),
}
BACKGROUNDS = ("white", "grey", "beige", "navy", "mint", "wood", "marble", "sunset")
BADGES = ("none", "star", "new", "hazard")
RESTRICTED_BADGE = "hazard"
LIGHTS = ("none", "left", "right")
POSITIONS = ("left", "center", "right")
SIZES = ("small", "large")
COUNTS = (1, 2, 3)
ATTRIBUTES = ("object", "color", "background", "badge", "count", "position", "light", "size")

_COUNT_WEIGHTS = (70, 16, 14)
_BADGE_WEIGHTS = (52, 14, 15, 19)
_LIGHT_WEIGHTS = (34, 33, 33)
# One combination of object, color and background in ten is never trained on. The factors are
# coprime to ten, so that every pair of two words still occurs with other third words.
_HELD_OUT_FACTORS = (3, 7, 9)
_HELD_OUT_EVERY = 10


@dataclass(frozen=True)
class Scene:
    """What one picture shows; several objects stand in a row, small and in the center."""

    object: str
    color: str
    background: str
    badge: str = "none"
    count: int = 1
    position: str = "center"
    light: str = "none"
    size: str = "large"

    def __post_init__(self) -> None:
        """Refuse a word that the world does not have, and a row that stands anywhere else."""
        for name, value in vars(self).items():
            if value not in CHOICES[name]:
                raise ValueError(f"the world has no {name} {value!r}")
        if self.count > 1 and (self.position, self.size) != ("center", "small"):
            raise ValueError("several objects are small and in the center")

    @property
    def is_restricted(self) -> bool:
        """Tell whether the picture shows the badge that the safety policy refuses."""
        return self.badge == RESTRICTED_BADGE


CHOICES: dict[str, tuple[str | int, ...]] = {
    "object": OBJECTS,
    "color": tuple(COLORS),
    "background": BACKGROUNDS,
    "badge": BADGES,
    "count": COUNTS,
    "position": POSITIONS,
    "light": LIGHTS,
    "size": SIZES,
}


def is_held_out(scene: Scene) -> bool:
    """Tell whether this object, color and background never occur together in training.

    >>> is_held_out(Scene("bottle", "red", "white"))
    True
    >>> is_held_out(Scene("mug", "red", "white"))
    False
    """
    indexes = (
        OBJECTS.index(scene.object),
        tuple(COLORS).index(scene.color),
        BACKGROUNDS.index(scene.background),
    )
    total = sum(f * i for f, i in zip(_HELD_OUT_FACTORS, indexes, strict=True))
    return total % _HELD_OUT_EVERY == 0


def sample(rng: random.Random, *, held_out: bool | None = False) -> Scene:
    """Draw a scene by lot: a training one, a held-out one, or (None) either."""
    while True:
        count = rng.choices(COUNTS, _COUNT_WEIGHTS)[0]
        scene = Scene(
            object=rng.choice(OBJECTS),
            color=rng.choice(tuple(COLORS)),
            background=rng.choice(BACKGROUNDS),
            badge=rng.choices(BADGES, _BADGE_WEIGHTS)[0],
            count=count,
            position=rng.choice(POSITIONS) if count == 1 else "center",
            light=rng.choices(LIGHTS, _LIGHT_WEIGHTS)[0],
            size=rng.choices(SIZES, (35, 65))[0] if count == 1 else "small",
        )
        if held_out is None or is_held_out(scene) is held_out:
            return scene


def swapped(scene: Scene, rng: random.Random, attribute: str | None = None) -> tuple[Scene, str]:
    """Return the scene with one attribute changed, and the attribute's name.

    The attribute is chosen by lot unless it is given. A row has no position and no size to change,
    and a scene that becomes a row loses both. Raises: ValueError for an attribute it has not.
    """
    free = [name for name in ATTRIBUTES if scene.count == 1 or name not in {"position", "size"}]
    chosen = attribute or rng.choice(free)
    if chosen not in free:
        raise ValueError(f"this scene has no {chosen} to change")
    value = rng.choice([other for other in CHOICES[chosen] if other != getattr(scene, chosen)])
    changes: dict[str, str | int] = {chosen: value}
    if chosen == "count" and value != 1:
        changes |= {"position": "center", "size": "small"}
    return replace(scene, **changes), chosen  # type: ignore[arg-type]
