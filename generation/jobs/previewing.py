"""A worker's screen: takes previews from the device's thread, and shows them from the lease's."""

from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from django.conf import settings
from PIL import Image

from generation.jobs import services

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOK_EVERY_S = 0.5
QUALITY = 80


class Screen:
    """The screen of one item under one lease; the device's thread never waits for it."""

    def __init__(self, item_id: UUID, epoch: int) -> None:
        self.is_watched = False
        self._item_id = item_id
        self._epoch = epoch
        self._latest: tuple[int, NDArray[np.uint8]] | None = None
        self._looked_at = float("-inf")

    def show(self, step: int, pixels: "NDArray[np.uint8]") -> None:
        """Take a preview; the one before it, if it was not shown yet, is passed over."""
        self._latest = (step, pixels)

    def look(self) -> None:
        """Ask now and then whether somebody watches, and show what there is; from one thread."""
        if monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = monotonic()
        self.is_watched = settings.SHOW_PREVIEWS and services.is_watched(self._item_id)
        latest, self._latest = self._latest, None
        if self.is_watched and latest is not None:
            step, pixels = latest
            services.show_preview(
                item_id=self._item_id, epoch=self._epoch, step=step, image=encode(pixels)
            )


def encode(pixels: "NDArray[np.uint8]") -> bytes:
    """Encode a preview: small rather than exact."""
    buffer = BytesIO()
    Image.fromarray(pixels, "RGB").save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
