"""The exact bytes of an entry: one canonical JSON object, at most 16 KiB, never re-encoded."""

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import rfc8785

from governance.kernel import clock, digests
from governance.kernel.actors import Actor
from governance.kernel.subjects import SubjectRef
from governance.ledger.errors import EntryTooLarge, FactNotRecordable
from governance.ledger.events import Event

SCHEMA_VERSION = 1
# tlog-tiles prefixes each entry with a 16-bit length; a quarter of that keeps bundles small.
MAX_BODY_BYTES = 16 * 1024
MAX_FACTS_DEPTH = 4


def body(
    *,
    entry_id: UUID,
    actor: Actor,
    event: Event,
    subject: SubjectRef,
    at: datetime,
    facts: Mapping[str, Any],
    sealed: Mapping[str, bytes],
) -> bytes:
    """Build the leaf's bytes (RFC 8785).

    Raises: FactNotRecordable for a fact of another type; EntryTooLarge above 16 KiB.
    """
    who = {"id": str(actor.id), "kind": actor.kind.value}
    if actor.key_id is not None:
        who["key"] = str(actor.key_id)
    what = {"kind": subject.kind, "id": str(subject.id)}
    if subject.sha256 is not None:
        if not digests.is_sha256(subject.sha256):
            raise FactNotRecordable(
                "A subject's digest must be a SHA-256 in lower-case hex.", pointer="/subject/sha256"
            )
        what["sha256"] = subject.sha256
    content = {
        "v": SCHEMA_VERSION,
        "id": str(entry_id),
        "at": clock.isoformat(at),
        "event": event.value,
        "actor": who,
        "brand": None if subject.brand_id is None else str(subject.brand_id),
        "subject": what,
        "facts": _recordable(facts, "/facts", depth=0),
        "sealed": {name: base64.b64encode(text).decode() for name, text in sealed.items()},
    }
    try:
        written = digests.canonical_json(content)
    except rfc8785.CanonicalizationError as error:
        raise FactNotRecordable(
            "A fact cannot be written in canonical JSON: integers stay within 53 bits, "
            "text is valid Unicode.",
            pointer="/facts",
        ) from error
    if len(written) > MAX_BODY_BYTES:
        raise EntryTooLarge(
            f"The entry has {len(written)} bytes; the limit is {MAX_BODY_BYTES}. "
            "Record a digest of what is large.",
            pointer="/facts",
            size_bytes=len(written),
            limit_bytes=MAX_BODY_BYTES,
        )
    return written


def number_text(value: float) -> str:
    """Write a measured number as the shortest text that reads back to the same number.

    >>> number_text(0.1), number_text(3)
    ('0.1', '3')
    """
    if not math.isfinite(value):
        raise FactNotRecordable("Only a finite number can be recorded.", pointer="/facts")
    return repr(value)


def _recordable(value: object, pointer: str, *, depth: int) -> Any:
    if depth > MAX_FACTS_DEPTH:
        raise FactNotRecordable("Facts are nested too deeply.", pointer=pointer)
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise FactNotRecordable("The name of a fact must be text.", pointer=pointer)
        return {
            str(name): _recordable(item, f"{pointer}/{name}", depth=depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [
            _recordable(item, f"{pointer}/{place}", depth=depth + 1)
            for place, item in enumerate(value)
        ]
    raise FactNotRecordable(
        f"A fact is text, an integer, true or false (or lists and maps of them), "
        f"not {type(value).__name__}. Write measured numbers with number_text and leave out "
        "what is not known.",
        pointer=pointer,
    )
