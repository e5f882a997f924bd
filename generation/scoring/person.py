"""Whether a person can be seen in an image, by OpenCV's cascades: never who, and nothing is kept.

No face is cropped, embedded or compared; what leaves this module is a number and plain boxes.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import cv2.data
import numpy as np
from PIL.Image import Resampling

from generation.scoring.protocol import (
    Direction,
    Input,
    Measurement,
    Sample,
    ScorerUnavailable,
)
from governance.kernel.digests import canonical_json, sha256_hex

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_FRONTAL = "haarcascade_frontalface_alt2.xml"
_PROFILE = "haarcascade_profileface.xml"
# The files as opencv-python-headless 4.x brings them; others would measure otherwise.
_FILES: Mapping[str, str] = {
    _FRONTAL: "7b0c967d9abbdfbde025eb9c786947d151b6426040d07a8f9562ed8fd90724b4",
    _PROFILE: "b39a4a3be45539db146a7fc1d3e761a292c196eb88421185e6a615b3055e612d",
}
# The side that is searched: small images are enlarged to it, as the windows have at least 20 px.
_SIDE_PX = 256
_FACE_MIN_SHARE = 0.1
_BOXES_MAX = 12
_DIGITS = 4


@dataclass(frozen=True)
class _Search:
    """One cascade, by how much its windows grow, and how many must agree for a value of 0.5."""

    file: str
    label: str
    growth: float
    windows_at_half: int


_FRONT = _Search(_FRONTAL, "face", 1.1, 5)
_SIDE = _Search(_PROFILE, "face from the side", 1.2, 3)


@dataclass
class PersonPresent:
    """How surely a face, from the front or the side, is in the image: n / (n + h).

    n is the number of overlapping search windows that agree on one face; h is 5 for a face from the
    front and 3 for one from the side, which is searched more coarsely. It answers "is a person in
    it", for rights and consent: never a proof of absence. A person from behind, hidden, tiny or
    drawn in an unusual style is not found, and some patterns look like a face. Local contrast is
    evened out first (CLAHE), without which darker faces are missed more often; they still are, so
    no answer may be used to decide about people.

    Source: Viola and Jones, CVPR 2001; Lienhart and Maydt, ICIP 2002 (the trained cascades);
    Pizer et al., 1987 (CLAHE).
    """

    _cascades: Mapping[str, Any] | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    id: ClassVar[str] = "person_present"
    title: ClassVar[str] = "A person in the image"
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = sha256_hex(canonical_json(dict(_FILES)))
    licence: ClassVar[str] = "LicenseRef-Intel-OpenCV"
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 45.0

    def load(self) -> None:
        """Verify and read the cascades once. Raises: ScorerUnavailable if they are others."""
        with self._lock:
            self._cascades = self._cascades or {name: _open(name) for name in _FILES}

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Search each image for faces; the boxes are the evidence."""
        self.load()
        with self._lock:
            return [self._measure(sample.image) for sample in samples]

    def _measure(self, image: "Image") -> Measurement:
        gray = _even(image)
        mirrored = np.ascontiguousarray(gray[:, ::-1])
        found = [
            *self._search(_FRONT, gray),
            *self._search(_SIDE, gray),
            *(_mirror(box) for box in self._search(_SIDE, mirrored)),
        ]
        found.sort(key=lambda box: (-box["score"], box["label"], box["x"], box["y"]))
        value = float(found[0]["score"]) if found else 0.0
        return Measurement(value, {"boxes": found[:_BOXES_MAX], "faces": len(found)})

    def _search(self, search: _Search, gray: "NDArray[np.uint8]") -> Sequence[dict[str, Any]]:
        """Return the finds of one cascade as boxes, in shares of the image."""
        assert self._cascades is not None  # noqa: S101 - `score` loads first
        height, width = gray.shape
        least = max(20, round(min(height, width) * _FACE_MIN_SHARE))
        boxes, counts = self._cascades[search.file].detectMultiScale2(
            gray, scaleFactor=search.growth, minNeighbors=1, minSize=(least, least)
        )
        return [
            {
                "x": round(int(x) / width, _DIGITS),
                "y": round(int(y) / height, _DIGITS),
                "width": round(int(wide) / width, _DIGITS),
                "height": round(int(high) / height, _DIGITS),
                "label": search.label,
                "score": round(int(count) / (int(count) + search.windows_at_half), _DIGITS),
            }
            for (x, y, wide, high), count in zip(boxes, counts, strict=True)
        ]


def _open(name: str) -> Any:
    """Read one cascade whose bytes are the known ones."""
    path = Path(cv2.data.haarcascades) / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ScorerUnavailable(
            f"OpenCV's file '{name}' is not there: install opencv-python-headless 4.x.", name=name
        ) from error
    if sha256(data).hexdigest() != _FILES[name]:
        raise ScorerUnavailable(
            f"OpenCV's file '{name}' is not the one that this release knows. Install "
            "opencv-python-headless again.",
            name=name,
        )
    # One thread: with more, the order in which windows are found changes.
    cv2.setNumThreads(1)
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise ScorerUnavailable(f"OpenCV cannot read its own file '{name}'.", name=name)
    return cascade


def _even(image: "Image") -> "NDArray[np.uint8]":
    """Return luma, uint8, with its longer side at 256 px and its local contrast evened out."""
    scale = _SIDE_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.convert("L").resize(size, Resampling.BICUBIC)
    even: NDArray[np.uint8] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(4, 4)).apply(
        np.asarray(resized)
    )
    return even


def _mirror(box: dict[str, Any]) -> dict[str, Any]:
    """Return a find in a mirrored image where it lies in the image itself.

    >>> _mirror({"x": 0.1, "width": 0.2})
    {'x': 0.7, 'width': 0.2}
    """
    return {**box, "x": round(1 - box["x"] - box["width"], _DIGITS)}
