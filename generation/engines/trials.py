"""What a model is tried with that does nothing without a picture: a plain one, made here."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from io import BytesIO

from PIL import Image

from generation.engines.modes import Mode
from generation.engines.spec import BoxMask, PictureRef, RunSpec, SourceRef
from governance.kernel.digests import sha256_hex

_WHOLE = BoxMask(0.0, 0.0, 1.0, 1.0)


def complete(spec: RunSpec, needed: AbstractSet[Mode]) -> RunSpec:
    """Add to a spec of words alone the pictures that its model needs."""
    picture = _draw_plain(spec.width, spec.height)
    digest = sha256_hex(picture)
    if Mode.INPAINT in needed:
        spec = replace(spec, source=SourceRef(picture, digest, 1.0, _WHOLE))
    if Mode.REFERENCES in needed:
        spec = replace(spec, references=(PictureRef(picture, digest),))
    return spec


def _draw_plain(width: int, height: int) -> bytes:
    """Draw a picture all gray, as a file."""
    file = BytesIO()
    Image.new("RGB", (width, height), (160, 160, 160)).save(file, "PNG")
    return file.getvalue()
