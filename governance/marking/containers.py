"""Which image formats can carry every layer, told by their first bytes, never by a name."""

from governance.marking.errors import MediaTypeUnsupported

PNG = "image/png"
JPEG = "image/jpeg"

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"


def sniff(data: bytes) -> str:
    """Return the media type of `data`.

    >>> sniff(PNG_SIGNATURE + b"...")
    'image/png'

    Raises: MediaTypeUnsupported if it is neither PNG nor JPEG.
    """
    if data.startswith(PNG_SIGNATURE):
        return PNG
    if data.startswith(JPEG_SIGNATURE):
        return JPEG
    message = "Only PNG and JPEG images can carry every marking layer."
    raise MediaTypeUnsupported(message)
