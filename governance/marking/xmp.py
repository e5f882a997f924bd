"""Builds an XMP packet and puts it into PNG or JPEG beside the image data, which stays as it was.

Only whole segments are added: no pixel is decoded, and no existing byte changes.
Source: XMP specification part 3 (PNG iTXt, JPEG APP1); IPTC Photo Metadata Standard 2025.1.
"""

import struct
import zlib
from xml.sax.saxutils import escape

from governance.kernel.errors import InvalidInput
from governance.marking.claims import MarkingClaim
from governance.marking.containers import JPEG, PNG, PNG_SIGNATURE, sniff
from governance.marking.errors import ContainerBroken, MarkingRefused

_JPEG_HEADER = b"http://ns.adobe.com/xap/1.0/\x00"
_JPEG_PAYLOAD_MAX = 0xFFFF - 2
# Keyword, null; not compressed, method 0; empty language and translated keyword.
_PNG_HEADER = b"XML:com.adobe.xmp\x00" + b"\x00\x00" + b"\x00\x00"
_PNG_IHDR_END = len(PNG_SIGNATURE) + 4 + 4 + 13 + 4

_LANGUAGE_ALTERNATIVES = frozenset(
    {"dc:title", "dc:description", "dc:rights", "Iptc4xmpCore:AltTextAccessibility"}
)
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
{properties}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def build(claim: MarkingClaim) -> bytes:
    """Write the packet for `claim` in UTF-8; the same claim always gives the same bytes.

    Raises: InvalidInput if a text holds a character that XML cannot carry.
    """
    lines = [
        (_language_alternative if name in _LANGUAGE_ALTERNATIVES else _simple)(name, text)
        for name, text in claimed_facts(claim).items()
    ]
    return _PACKET.format(properties="\n".join(lines)).encode()


def claimed_facts(claim: MarkingClaim) -> dict[str, str]:
    """Return the properties that a packet of `claim` states, in the order of writing."""
    editorial, system = claim.editorial, claim.system
    facts = {
        "dc:title": editorial.title,
        "dc:description": editorial.description,
        "dc:rights": editorial.rights,
        "photoshop:Credit": editorial.credit,
        "Iptc4xmpExt:DigitalSourceType": claim.digital_source_type,
        "Iptc4xmpExt:AISystemUsed": system.name,
        "Iptc4xmpExt:AISystemVersionUsed": system.version,
    }
    if editorial.alt_text is not None:
        facts["Iptc4xmpCore:AltTextAccessibility"] = editorial.alt_text
    return facts


def embed(data: bytes, packet: bytes) -> bytes:
    """Return `data` with `packet` added as its XMP.

    Raises: ContainerBroken if the file does not begin as its format demands; MarkingRefused if the
    packet is too long for a JPEG segment.
    """
    embedders = {PNG: _embed_in_png, JPEG: _embed_in_jpeg}
    return embedders[sniff(data)](data, packet)


def _embed_in_png(data: bytes, packet: bytes) -> bytes:
    """Add an iTXt chunk behind the header: some readers stop at the image data."""
    if data[12:16] != b"IHDR" or len(data) < _PNG_IHDR_END:
        message = "The PNG does not begin with its header."
        raise ContainerBroken(message)
    body = b"iTXt" + _PNG_HEADER + packet
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:_PNG_IHDR_END] + chunk + data[_PNG_IHDR_END:]


def _embed_in_jpeg(data: bytes, packet: bytes) -> bytes:
    """Add an APP1 segment behind JFIF and Exif, which their standards want first."""
    payload = _JPEG_HEADER + packet
    if len(payload) > _JPEG_PAYLOAD_MAX:
        message = "The metadata text is too long for a JPEG; shorten the title or the description."
        raise MarkingRefused(message, size_bytes=len(payload), limit_bytes=_JPEG_PAYLOAD_MAX)
    at = 2
    while data[at : at + 2] == b"\xff\xe0" or (
        data[at : at + 2] == b"\xff\xe1" and data[at + 4 : at + 10] == b"Exif\x00\x00"
    ):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if data[at : at + 1] != b"\xff" or len(data) < at + 2:
        message = "The JPEG's first segments are damaged."
        raise ContainerBroken(message)
    segment = b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload
    return data[:at] + segment + data[at:]


def _simple(name: str, text: str) -> str:
    return f"   <{name}>{_escaped(name, text)}</{name}>"


def _language_alternative(name: str, text: str) -> str:
    item = f'<rdf:li xml:lang="x-default">{_escaped(name, text)}</rdf:li>'
    return f"   <{name}><rdf:Alt>{item}</rdf:Alt></{name}>"


def _escaped(name: str, text: str) -> str:
    r"""Escape `text`, after refusing what XML 1.0 has no way to write.

    >>> _escaped("dc:title", "Salt & <pepper>")
    'Salt &amp; &lt;pepper&gt;'
    """
    for character in text:
        point = ord(character)
        is_control = point < 0x20 and character not in "\t\n"  # noqa: PLR2004
        if is_control or 0xD800 <= point <= 0xDFFF or point in {0xFFFE, 0xFFFF}:  # noqa: PLR2004
            message = f"The text for {name} holds a character that metadata cannot carry."
            raise InvalidInput(message, rule="xml_character", field=name, code_point=point)
    return escape(text)
