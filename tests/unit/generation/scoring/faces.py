"""Faces that nobody has: drawn from ovals, shaded enough for a detector of faces to answer."""

from PIL import Image, ImageDraw, ImageFilter

Color = tuple[int, int, int]
SKINS: dict[str, Color] = {
    "light": (240, 205, 180),
    "medium": (214, 168, 140),
    "tanned": (150, 105, 80),
}
_GROUND: Color = (150, 170, 185)
_HAIR: Color = (60, 40, 30)


def draw(
    side: int = 128,
    *,
    at: tuple[float, float] = (0.5, 0.5),
    size: float = 0.5,
    skin: str = "medium",
) -> Image.Image:
    """Draw one face on an even ground; `at` and `size` (its height) are shares of the side."""
    scale = 4
    image = Image.new("RGB", (side * scale, side * scale), _GROUND)
    pen = ImageDraw.Draw(image)
    center = (at[0] * side * scale, at[1] * side * scale)
    high = size * side * scale
    wide = high * 0.76
    tone = SKINS[skin]

    def oval(x: float, y: float, half_x: float, half_y: float, fill: Color) -> None:
        box = (x - half_x, y - half_y, x + half_x, y + half_y)
        pen.ellipse(
            tuple(center[i % 2] + part * (wide, high)[i % 2] for i, part in enumerate(box)), fill
        )

    oval(0, -0.08, 0.58, 0.56, _HAIR)
    oval(0, 0.5, 0.22, 0.25, _dark(tone, 0.8))
    oval(0, 0.02, 0.5, 0.52, tone)
    oval(0, -0.42, 0.47, 0.17, _HAIR)
    for eye in (-0.21, 0.21):
        oval(eye, -0.08, 0.16, 0.085, _dark(tone, 0.72))
        oval(eye, -0.16, 0.15, 0.03, _HAIR)
        oval(eye, -0.07, 0.105, 0.042, (238, 235, 230))
        oval(eye, -0.07, 0.045, 0.042, (45, 30, 25))
    oval(0, 0.08, 0.055, 0.14, _dark(tone, 1.12))
    oval(-0.07, 0.19, 0.04, 0.022, _dark(tone, 0.5))
    oval(0.07, 0.19, 0.04, 0.022, _dark(tone, 0.5))
    oval(0, 0.33, 0.19, 0.045, (150, 70, 70))
    soft = image.filter(ImageFilter.GaussianBlur(high * 0.012))
    return soft.resize((side, side), Image.Resampling.BOX)


def _dark(color: Color, by: float) -> Color:
    red, green, blue = (min(255, int(level * by)) for level in color)
    return red, green, blue
