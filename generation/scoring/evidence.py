"""Evidence in the shapes that screens draw: what has another shape, or is too much, is left out."""

import json
import math
import re
from collections.abc import Mapping
from numbers import Real

BYTES_MAX = 64 * 1024
LEFT_OUT = "left_out"

_TEXT_MAX = 500
_ITEMS_MAX = 5000
_DEPTH_MAX = 4
_BOXES_MAX = 200
_COLORS_MAX = 32
_WORDS_MAX = 200
_SIDE_MAX = 128
_HEX = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


def tidy(evidence: Mapping[str, object]) -> dict[str, object]:
    """Return evidence as JSON that a screen may trust.

    Reserved keys (see protocol.Measurement) keep their shape or are left out; numbers that JSON has
    no word for become words; all together has at most 64 KB. The key `left_out` names what is
    missing, so that nobody takes it for nothing found.
    """
    kept: dict[str, object] = {}
    left_out: list[str] = []
    for key, value in evidence.items():
        name = str(key)[:60]
        shaped = plain(value)
        if name == LEFT_OUT or find_fault(name, shaped):
            left_out.append(name)
        else:
            kept[name] = shaped
    while kept and _size(kept) > BYTES_MAX:
        largest = max(kept, key=lambda name: _size(kept[name]))
        del kept[largest]
        left_out.append(largest)
    if left_out:
        kept[LEFT_OUT] = sorted(left_out)[:20]
    return kept


def plain(value: object, depth: int = _DEPTH_MAX) -> object:
    """Return a value in JSON's own types; what it has no word for becomes a short text.

    >>> plain((0.5, float("nan"), {"a": 1}))
    [0.5, 'nan', {'a': 1}]
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if depth and isinstance(value, Mapping):
        items = list(value.items())[:_ITEMS_MAX]
        return {str(key)[:60]: plain(each, depth - 1) for key, each in items}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [plain(each, depth - 1) for each in list(value)[: _SIDE_MAX * _SIDE_MAX]]
    return str(value)[:_TEXT_MAX]


def find_fault(name: str, value: object) -> str | None:
    """Say what is wrong with the shape of a reserved key, or nothing; other keys may hold anything.

    >>> find_fault("colors", [{"hex": "red"}]), find_fault("mean", "what you like")
    ('colors is a list of at most 32 {hex, share, nearest, delta_e}', None)
    """
    check, shape = _SHAPES.get(name, (None, ""))
    if check is None or check(value):
        return None
    return f"{name} is {shape}"


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_boxes(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _BOXES_MAX
        and all(
            isinstance(box, dict)
            and all(_is_share(box.get(name)) for name in ("x", "y", "width", "height"))
            and isinstance(box.get("label", ""), str)
            and (box.get("score") is None or _is_number(box["score"]))
            for box in value
        )
    )


def _is_heat(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    rows, columns, values = value.get("rows"), value.get("columns"), value.get("values")
    return (
        all(isinstance(n, int) and 0 < n <= _SIDE_MAX for n in (rows, columns))
        and isinstance(values, list)
        and len(values) == rows * columns  # type: ignore[operator]
        and all(map(_is_share, values))
    )


def _are_colors(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _COLORS_MAX
        and all(
            isinstance(color, dict)
            and _is_hex(color.get("hex"))
            and _is_share(color.get("share"))
            and (not color.get("nearest") or _is_hex(color["nearest"]))
            and (color.get("delta_e") is None or _is_number(color["delta_e"]))
            for color in value
        )
    )


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _are_words(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(part, str)
        or (
            isinstance(part, list)
            and len(part) <= _WORDS_MAX
            and all(isinstance(word, str) for word in part)
        )
        for part in (value.get(name, "") for name in ("wanted", "read", "missing"))
    )


def _is_duplicate(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("asset_id"), str)
        and all(value.get(n) is None or _is_number(value[n]) for n in ("distance", "similarity"))
    )


_SHAPES = {
    "boxes": (
        _are_boxes,
        f"a list of at most {_BOXES_MAX} {{x, y, width, height (0..1), label, score}}",
    ),
    "heat": (_is_heat, f"{{rows, columns (1..{_SIDE_MAX}), values (0..1, row by row)}}"),
    "colors": (_are_colors, f"a list of at most {_COLORS_MAX} {{hex, share, nearest, delta_e}}"),
    "words": (_are_words, "{wanted, read, missing}, each a text or a list of words"),
    "duplicate": (_is_duplicate, "{asset_id, distance, similarity}"),
}


def _size(value: object) -> int:
    return len(json.dumps(value))
