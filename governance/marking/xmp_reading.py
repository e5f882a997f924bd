"""Finds and parses the XMP of an image on its own: it shares no code with the writer.

It walks the whole container, checks every length (and a PNG's checksums), and wants exactly one
packet, because two packets let two readers see two truths.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from governance.marking.containers import PNG, sniff
from governance.marking.errors import ContainerBroken

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NAMESPACES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
}
_STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9


def read(data: bytes) -> Mapping[str, str] | None:
    """Return the XMP properties of an image by prefixed name, or None if it has no packet.

    A language alternative gives its default text. Raises: ContainerBroken if the file is damaged,
    has more than one packet, or the packet is not the XML that it should be.
    """
    packets = list(_png_packets(data) if sniff(data) == PNG else _jpeg_packets(data))
    if not packets:
        return None
    if len(packets) > 1:
        message = "The image holds more than one metadata packet."
        raise ContainerBroken(message)
    try:
        root = fromstring(packets[0].decode("utf-8"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, UnicodeDecodeError, ValueError) as error:
        message = "The metadata packet is not well-formed XMP."
        raise ContainerBroken(message) from error
    return dict(_properties(root))


def carries_manifest(data: bytes) -> bool:
    """Tell whether the image has a C2PA store already (PNG caBX, JPEG APP11 with JUMBF).

    Raises: ContainerBroken if the file is damaged.
    """
    if sniff(data) == PNG:
        return any(kind == b"caBX" for kind, _ in _png_chunks(data))
    return any(
        marker == 0xEB and payload[:2] == b"JP"  # noqa: PLR2004
        for marker, payload in _jpeg_segments(data)
    )


def _properties(root: Element) -> Iterator[tuple[str, str]]:
    for description in root.iter(f"{_RDF}Description"):
        for name, value in description.attrib.items():
            if (known := _prefixed(name)) is not None:
                yield known, value
        for element in description:
            if (known := _prefixed(element.tag)) is not None:
                yield known, _text(element)


def _text(element: Element) -> str:
    items = list(element.iter(f"{_RDF}li"))
    if not items:
        return element.text or ""
    default = [item for item in items if item.get(_XML_LANG) == "x-default"]
    return (default or items)[0].text or ""


def _prefixed(name: str) -> str | None:
    uri, _, local = name.removeprefix("{").partition("}")
    prefix = _NAMESPACES.get(uri)
    return None if prefix is None else f"{prefix}:{local}"


def _png_packets(data: bytes) -> Iterator[bytes]:
    for kind, body in _png_chunks(data):
        keyword, separator, rest = body.partition(b"\x00")
        if kind != b"iTXt" or keyword != b"XML:com.adobe.xmp" or not separator:
            continue
        if rest[:2] != b"\x00\x00":
            message = "The metadata packet is compressed, which XMP in PNG must not be."
            raise ContainerBroken(message)
        yield rest[2:].split(b"\x00", 2)[-1]


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, body) of every chunk up to the end mark, with its checksum checked."""
    at, kind = 8, b""
    while kind != b"IEND":
        if at + 12 > len(data):
            message = "The PNG ends before its end mark."
            raise ContainerBroken(message)
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        if len(body) != length or checksum != struct.pack(">I", zlib.crc32(kind + body)):
            message = "A PNG chunk is damaged."
            raise ContainerBroken(message, chunk=kind.decode("ascii", "replace"))
        yield kind, body
        at += 12 + length
    if at != len(data):
        message = "The PNG goes on behind its end mark."
        raise ContainerBroken(message)


def _jpeg_packets(data: bytes) -> Iterator[bytes]:
    header = b"http://ns.adobe.com/xap/1.0/\x00"
    for marker, payload in _jpeg_segments(data):
        if marker == 0xE1 and payload.startswith(header):  # noqa: PLR2004
            yield payload[len(header) :]


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, payload) of every segment up to the image data."""
    at = 2
    while True:
        if data[at : at + 1] != b"\xff":
            message = "A JPEG segment is damaged."
            raise ContainerBroken(message, offset=at)
        while data[at + 1 : at + 2] == b"\xff":  # fill bytes
            at += 1
        if at + 4 > len(data):
            message = "The JPEG ends before its image data."
            raise ContainerBroken(message)
        marker = data[at + 1]
        if marker in {_START_OF_SCAN, _END_OF_IMAGE}:
            return
        if marker in _STANDALONE_MARKERS:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        payload = data[at + 4 : at + 2 + length]
        if length < 2 or len(payload) != length - 2:  # noqa: PLR2004
            message = "A JPEG segment is damaged."
            raise ContainerBroken(message, offset=at)
        yield marker, payload
        at += 2 + length
