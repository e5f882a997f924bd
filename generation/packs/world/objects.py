"""The ten products of the demo world, each a function that draws it standing on its box's floor.

All fill about the same box (0..1, floor at 1) and differ in their outlines at a glance.
"""

from collections.abc import Callable, Mapping

from generation.packs.world.pen import Pen, Point


def _turned(profile: tuple[Point, ...]) -> list[Point]:
    """Return the outline of a turned body from (height, half width) pairs, top to bottom."""
    right = [(0.5 + half, y) for y, half in profile]
    return right + [(0.5 - half, y) for y, half in reversed(profile)]


def bottle(pen: Pen) -> None:
    """Draw a bottle with a long neck, a cap and a paper label."""
    body = ((0.12, 0.075), (0.28, 0.08), (0.35, 0.12), (0.42, 0.22), (0.49, 0.245),
            (0.95, 0.245), (1.0, 0.22))  # fmt: skip
    pen.polygon(_turned(body))
    pen.box(0.41, 0.0, 0.59, 0.13, "dark", 0.02)
    pen.box(0.255, 0.58, 0.745, 0.84, "paper")
    pen.box(0.255, 0.64, 0.745, 0.69, "dark")
    pen.box(0.32, 0.45, 0.36, 0.55, "lighter", 0.02)


def mug(pen: Pen) -> None:
    """Draw a mug with an open top and a round handle on its right."""
    pen.arc((0.52, 0.36, 0.98, 0.84), -100, 110, 0.085, "dark")
    pen.polygon([(0.08, 0.24), (0.72, 0.24), (0.70, 0.92), (0.64, 0.97), (0.40, 1.0),
                 (0.16, 0.97), (0.10, 0.92)])  # fmt: skip
    pen.ellipse(0.08, 0.15, 0.72, 0.33, "light")
    pen.ellipse(0.13, 0.18, 0.67, 0.31, "darker")
    pen.box(0.16, 0.40, 0.21, 0.82, "light", 0.02)


def box(pen: Pen) -> None:
    """Draw a parcel seen from above its corner, with a strip of tape."""
    pen.polygon([(0.05, 0.36), (0.58, 0.44), (0.58, 1.0), (0.05, 0.86)])
    pen.polygon([(0.58, 0.44), (0.95, 0.34), (0.95, 0.82), (0.58, 1.0)], "dark")
    pen.polygon([(0.05, 0.36), (0.44, 0.26), (0.95, 0.34), (0.58, 0.44)], "lighter")
    pen.polygon([(0.255, 0.391), (0.37, 0.408), (0.71, 0.302), (0.62, 0.288)], "paper")
    pen.polygon([(0.255, 0.391), (0.37, 0.408), (0.37, 0.56), (0.255, 0.54)], "paper")


def phone(pen: Pen) -> None:
    """Draw the back of a phone with a camera plate and two lenses."""
    pen.box(0.25, 0.0, 0.75, 1.0, "darker", 0.09)
    pen.box(0.28, 0.025, 0.72, 0.975, "base", 0.07)
    pen.box(0.32, 0.065, 0.53, 0.36, "dark", 0.05)
    pen.ellipse(0.36, 0.09, 0.49, 0.21, "ink")
    pen.ellipse(0.36, 0.22, 0.49, 0.34, "ink")
    pen.ellipse(0.40, 0.12, 0.44, 0.16, "metal")
    pen.ellipse(0.40, 0.25, 0.44, 0.29, "metal")
    pen.ellipse(0.43, 0.58, 0.57, 0.72, "lighter")


def shoe(pen: Pen) -> None:
    """Draw a sneaker from its side, the toe to the right, on a thick pale sole."""
    pen.polygon([(0.03, 0.84), (0.04, 0.52), (0.08, 0.42), (0.30, 0.46), (0.40, 0.44),
                 (0.52, 0.58), (0.70, 0.68), (0.90, 0.72), (0.98, 0.84)])  # fmt: skip
    pen.ellipse(0.70, 0.67, 0.99, 0.99)
    pen.polygon([(0.03, 0.84), (0.04, 0.52), (0.08, 0.42), (0.18, 0.44), (0.20, 0.84)], "dark")
    pen.box(0.01, 0.85, 1.0, 1.0, "paper", 0.07)
    pen.box(0.01, 0.94, 1.0, 1.0, "metal", 0.03)
    for x, y in ((0.36, 0.50), (0.43, 0.57), (0.51, 0.63)):
        pen.line([(x, y + 0.08), (x + 0.10, y)], 0.032, "paper")


def lamp(pen: Pen) -> None:
    """Draw a table lamp with a wide shade on a thin stem and a round foot."""
    pen.box(0.46, 0.45, 0.54, 0.94, "metal")
    pen.polygon([(0.24, 1.0), (0.27, 0.94), (0.42, 0.90), (0.58, 0.90), (0.73, 0.94),
                 (0.76, 1.0)], "darker")  # fmt: skip
    pen.polygon([(0.30, 0.02), (0.70, 0.02), (0.95, 0.50), (0.05, 0.50)])
    pen.polygon([(0.07, 0.455), (0.93, 0.455), (0.95, 0.50), (0.05, 0.50)], "lighter")


def chair(pen: Pen) -> None:
    """Draw a chair turned a little to the right: a tall back, a seat and four legs."""
    pen.box(0.30, 0.62, 0.385, 0.90, "darker")
    pen.box(0.79, 0.62, 0.87, 0.90, "darker")
    pen.polygon([(0.12, 0.02), (0.20, 0.0), (0.30, 0.0), (0.30, 0.62), (0.12, 0.62)], "dark")
    pen.polygon([(0.20, 0.0), (0.72, 0.0), (0.72, 0.44), (0.20, 0.44)])
    pen.polygon([(0.12, 0.03), (0.20, 0.0), (0.20, 0.62), (0.12, 0.62)], "dark")
    pen.polygon([(0.12, 0.62), (0.26, 0.50), (0.88, 0.50), (0.82, 0.62)], "light")
    pen.box(0.12, 0.61, 0.83, 0.70)
    pen.box(0.12, 0.68, 0.215, 1.0)
    pen.box(0.735, 0.68, 0.83, 1.0)


def bag(pen: Pen) -> None:
    """Draw a handbag with a high round handle, a flap and a metal clasp."""
    pen.arc((0.28, 0.04, 0.72, 0.74), 180, 360, 0.07, "darker")
    pen.polygon([(0.14, 0.36), (0.86, 0.36), (0.97, 0.95), (0.93, 1.0), (0.07, 1.0),
                 (0.03, 0.95)])  # fmt: skip
    pen.polygon([(0.14, 0.36), (0.86, 0.36), (0.90, 0.58), (0.50, 0.74), (0.10, 0.58)], "dark")
    pen.box(0.43, 0.62, 0.57, 0.76, "paper", 0.03)


def clock(pen: Pen) -> None:
    """Draw an alarm clock: a round case on two feet, two bells, a white face."""
    pen.line([(0.26, 0.84), (0.18, 0.97)], 0.07, "darker")
    pen.line([(0.74, 0.84), (0.82, 0.97)], 0.07, "darker")
    pen.line([(0.38, 0.10), (0.62, 0.10)], 0.04, "metal")
    pen.ellipse(0.10, 0.05, 0.42, 0.34, "dark")
    pen.ellipse(0.58, 0.05, 0.90, 0.34, "dark")
    pen.ellipse(0.08, 0.13, 0.92, 0.97)
    pen.ellipse(0.20, 0.25, 0.80, 0.85, "paper")
    for x, y in ((0.5, 0.30), (0.5, 0.80), (0.25, 0.55), (0.75, 0.55)):
        pen.ellipse(x - 0.022, y - 0.022, x + 0.022, y + 0.022, "ink")
    pen.line([(0.5, 0.36), (0.5, 0.55), (0.66, 0.62)], 0.045, "ink")


def vase(pen: Pen) -> None:
    """Draw a round vase with a narrow neck and three flowers."""
    for x, y in ((0.30, 0.14), (0.50, 0.08), (0.70, 0.14)):
        pen.line([(0.50, 0.50), (x, y)], 0.035, "leaf")
    pen.polygon([(0.50, 0.46), (0.20, 0.34), (0.32, 0.32)], "leaf")
    pen.polygon([(0.50, 0.46), (0.80, 0.34), (0.68, 0.32)], "leaf")
    for x, y in ((0.29, 0.13), (0.71, 0.13), (0.50, 0.09)):
        pen.ellipse(x - 0.095, y - 0.095, x + 0.095, y + 0.095, "paper")
        pen.ellipse(x - 0.04, y - 0.04, x + 0.04, y + 0.04, "metal")
    body = ((0.42, 0.15), (0.46, 0.10), (0.52, 0.10), (0.60, 0.22), (0.72, 0.31), (0.84, 0.27),
            (0.95, 0.16), (1.0, 0.15))  # fmt: skip
    pen.polygon(_turned(body))
    pen.box(0.35, 0.41, 0.65, 0.455, "dark", 0.02)
    pen.box(0.205, 0.69, 0.795, 0.745, "light")


DRAWN: Mapping[str, Callable[[Pen], None]] = {
    "bottle": bottle, "mug": mug, "box": box, "phone": phone, "shoe": shoe,
    "lamp": lamp, "chair": chair, "bag": bag, "clock": clock, "vase": vase,
}  # fmt: skip
