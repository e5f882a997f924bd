"""What a template does to an image after it was made: a chain of steps, as data; pure.

A step says what it does and how large its output is; it holds no pixels. The sizes are whole before
anything is rendered, so a chain that cannot be run is refused when its template is drafted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from governance.kernel.errors import InvalidInput
from templates.brands.shapes import Problem, pointer_to

Size = tuple[int, int]
PixelBox = tuple[int, int, int, int]

SIDE_MIN_PX = 64
AREA_MAX_PX = 40_000_000
# What a model can be asked to paint on, as with the sizes of an order.
PAINTED_STEP_PX = 16
PAINTED_SIDE_MAX_PX = 2048
PAINTED_AREA_MAX_PX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Box:
    """A part of an image: edges as shares of its width and height. Raises: InvalidInput."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        """Refuse a box outside of the image, or one without an inside."""
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise InvalidInput(
                "The box must lie within the image: left before right and top before bottom, "
                "each from 0 to 1.",
                pointer="/box",
                rule="range",
            )

    def in_pixels(self, size: Size) -> PixelBox:
        """Return left, top, right and bottom in whole pixels.

        >>> Box(0.25, 0.0, 0.75, 1.0).in_pixels((128, 64))
        (32, 0, 96, 64)
        """
        width, height = size
        return (
            round(self.left * width),
            round(self.top * height),
            round(self.right * width),
            round(self.bottom * height),
        )


@dataclass(frozen=True, slots=True)
class Lanczos:
    """Enlarges by a whole factor with a Lanczos filter: nothing is invented."""

    NAME: ClassVar[str] = "upscale.lanczos/1"
    mode: ClassVar[str] = ""

    factor: int

    def size_after(self, size: Size) -> Size:
        """Return the output's width and height in pixels."""
        return size[0] * self.factor, size[1] * self.factor


@dataclass(frozen=True, slots=True)
class Crop:
    """Keeps a box, or the largest part in the middle that has an aspect ratio.

    Raises: InvalidInput unless exactly one of the two is given.
    """

    NAME: ClassVar[str] = "crop/1"
    mode: ClassVar[str] = ""

    box: Box | None = None
    aspect: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse two ways to cut, and none."""
        if (self.box is None) == (self.aspect is None):
            raise InvalidInput(
                "A crop has either a box or an aspect ratio.", pointer="/box", rule="exclusive"
            )

    def kept(self, size: Size) -> PixelBox:
        """Return what is kept of an image of that size: left, top, right, bottom.

        >>> Crop(aspect=(4, 5)).kept((256, 256))
        (25, 0, 230, 256)
        """
        if self.box is not None:
            return self.box.in_pixels(size)
        assert self.aspect is not None  # noqa: S101  one of the two is there
        (width, height), (across, down) = size, self.aspect
        wide = min(width, round(height * across / down))
        high = min(height, round(width * down / across))
        left, top = (width - wide) // 2, (height - high) // 2
        return left, top, left + wide, top + high

    def size_after(self, size: Size) -> Size:
        """Return the output's width and height in pixels."""
        left, top, right, bottom = self.kept(size)
        return right - left, bottom - top


@dataclass(frozen=True, slots=True)
class Fit:
    """Brings an image to the size of a rendition: `cover` cuts what is over, `contain` adds ground.

    `background` is what `contain` adds, as #rrggbb.
    Raises: InvalidInput for `contain` without a background, and for one that nothing shows.
    """

    NAME: ClassVar[str] = "fit/1"
    mode: ClassVar[str] = ""

    rendition: str
    width: int
    height: int
    way: str
    background: str = ""

    def __post_init__(self) -> None:
        """Insist on a background exactly where one is seen."""
        if (self.way == "contain") != bool(self.background):
            raise InvalidInput(
                "State a background for “contain”, and none for “cover”.",
                pointer="/background",
                rule="required" if self.way == "contain" else "exclusive",
            )

    def size_after(self, _size: Size) -> Size:
        """Return the output's width and height in pixels."""
        return self.width, self.height


@dataclass(frozen=True, slots=True)
class Repaint:
    """Lets the order's own model paint over the image so far, or over one box of it.

    `strength` is how far to leave the image, above 0 and up to 1. Raises: InvalidInput.
    """

    NAME: ClassVar[str] = "refine/1"
    mode: ClassVar[str] = "image_to_image"

    strength: float
    steps: int

    def size_after(self, size: Size) -> Size:
        """Return the same size. Raises: InvalidInput for one that no model paints on."""
        width, height = size
        if width % PAINTED_STEP_PX or height % PAINTED_STEP_PX:
            raise InvalidInput(
                f"A model paints on sides that are multiples of {PAINTED_STEP_PX} pixels; here "
                f"the image has {width} × {height}.",
                rule="multiple_of",
            )
        if max(size) > PAINTED_SIDE_MAX_PX or width * height > PAINTED_AREA_MAX_PX:
            raise InvalidInput(
                f"A model paints on at most {PAINTED_SIDE_MAX_PX} pixels a side and "
                f"{PAINTED_AREA_MAX_PX} in all; here the image has {width} × {height}.",
                rule="area_too_large",
            )
        return size


@dataclass(frozen=True, slots=True)
class Inpaint(Repaint):
    """Lets the order's own model paint one box of the image anew; the rest is kept."""

    NAME: ClassVar[str] = "inpaint/1"
    mode: ClassVar[str] = "inpaint"

    box: Box


Step = Lanczos | Crop | Fit | Repaint


def read(declared: Mapping[str, Any]) -> Step:
    """Read one step whose shape was checked. Raises: InvalidInput, pointing into the step.

    >>> read({"name": "upscale.lanczos/1", "factor": 2})
    Lanczos(factor=2)
    """
    return _READERS[declared["name"]](declared)


def chain_of(content: Mapping[str, Any]) -> tuple[Step, ...]:
    """Return the steps of a template's content, in their order."""
    return tuple(read(declared) for declared in content.get("steps", ()))


def final_size(steps: Sequence[Step], size: Size) -> Size:
    """Return the size of the finished image, of one that is made in `size`.

    >>> final_size([Lanczos(2), Crop(aspect=(4, 5))], (128, 128))
    (205, 256)

    Raises: InvalidInput, pointing at the step whose output is too small or too large.
    """
    for place, step in enumerate(steps):
        try:
            size = _require_size(step.size_after(size))
        except InvalidInput as error:
            raise InvalidInput(
                error.detail, pointer=pointer_to("steps", place), rule=str(error.facts["rule"])
            ) from error
    return size


def problems(content: Mapping[str, Any]) -> Iterator[Problem]:
    """List what is wrong with the steps of a content whose shape is right."""
    steps = []
    for place, declared in enumerate(content.get("steps", ())):
        try:
            steps.append(read(declared))
        except InvalidInput as error:
            yield Problem(
                pointer_to("steps", place) + (error.pointer or ""),
                str(error.facts["rule"]),
                error.detail,
            )
            return
    for declared in content["sizes"]:
        try:
            final_size(steps, (int(declared["width"]), int(declared["height"])))
        except InvalidInput as error:
            yield Problem(
                error.pointer or "/steps",
                str(error.facts["rule"]),
                f"From {declared['width']} × {declared['height']}: {error.detail}",
            )


def _require_size(size: Size) -> Size:
    width, height = size
    if min(size) < SIDE_MIN_PX:
        raise InvalidInput(
            f"No side may come out below {SIDE_MIN_PX} pixels; here it is {width} × {height}.",
            rule="too_small",
        )
    if width * height > AREA_MAX_PX:
        raise InvalidInput(
            f"At most {AREA_MAX_PX} pixels may come out; here it is {width} × {height}.",
            rule="area_too_large",
        )
    return size


def _box(declared: Mapping[str, Any]) -> Box:
    return Box(**{edge: float(declared[edge]) for edge in ("left", "top", "right", "bottom")})


def _read_crop(declared: Mapping[str, Any]) -> Crop:
    across, _colon, down = str(declared.get("aspect", "")).partition(":")
    return Crop(
        box=_box(declared["box"]) if "box" in declared else None,
        aspect=(int(across), int(down)) if across else None,
    )


def _read_fit(declared: Mapping[str, Any]) -> Fit:
    return Fit(
        rendition=str(declared["rendition"]),
        width=int(declared["width"]),
        height=int(declared["height"]),
        way=str(declared["way"]),
        background=str(declared.get("background", "")),
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Step]] = {
    Lanczos.NAME: lambda step: Lanczos(int(step["factor"])),
    Crop.NAME: _read_crop,
    Fit.NAME: _read_fit,
    Repaint.NAME: lambda step: Repaint(float(step["strength"]), int(step["steps"])),
    Inpaint.NAME: lambda step: Inpaint(
        float(step["strength"]), int(step["steps"]), _box(step["box"])
    ),
}
