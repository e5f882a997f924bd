"""Writes and checks the passport: one immutable JSON document that is released with its image.

Each passport has one byte form (RFC 8785), fits the schema beside this file and agrees with itself;
what does not is refused, both when writing and when reading.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker

from governance.kernel.clock import isoformat
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError
from governance.passport.facts import Passport

SCHEMA_VERSION = 1
MEDIA_TYPE = "application/vnd.imprimatur.passport+json"
APPROVAL_EVENT = "review.case.approved"
APPROVAL_WITH_CHANGES = "approve_with_changes"

# A longer number loses digits in readers that use doubles (RFC 8785, 3.2.2.3).
_TEXTUAL_INTEGERS = frozenset({"seed"})
# Merkle hashes are hex, as everywhere in the ledger; all other bytes are base64.
_HEX = frozenset({"proof"})


class PassportInvalid(DomainError):
    """The document is not a passport: malformed, not canonical, or in conflict with itself."""

    code = "passport_invalid"


def write(passport: Passport) -> bytes:
    """Return the canonical bytes of `passport`.

    Raises: PassportInvalid if it does not fit the schema or contradicts itself.
    """
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **_plain(passport)}
    _require_schema(document)
    _require_agreement(document)
    return _canonical(document)


def read(data: bytes) -> Mapping[str, Any]:
    """Return the document in `data`, checked in every way that needs neither image nor key.

    Raises: PassportInvalid.
    """
    try:
        document = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        message = "The passport is not readable JSON."
        raise PassportInvalid(message) from error
    _require_schema(document)
    if _canonical(document) != data:
        message = "The passport is not in its canonical form, so its digest proves nothing."
        raise PassportInvalid(message)
    _require_agreement(document)
    return document  # type: ignore[no-any-return]


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema (2020-12) of passports of this version."""
    text = resources.files("governance.passport").joinpath("schema.json").read_text("utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(dict(schema()), format_checker=FormatChecker())


def _canonical(document: Mapping[str, Any]) -> bytes:
    try:
        return canonical_json(document)
    except ValueError as error:
        message = "The passport holds a value that JSON cannot carry everywhere alike."
        raise PassportInvalid(message) from error


def _plain(value: Any, name: str = "") -> Any:
    """Turn records into JSON values; `name` is the field that holds `value`."""
    match value:
        case datetime():
            plain: Any = isoformat(value)
        case UUID():
            plain = str(value)
        case bytes():
            plain = value.hex() if name in _HEX else base64.b64encode(value).decode("ascii")
        case Mapping():
            plain = {key: _plain(item) for key, item in value.items()}
        case tuple():
            plain = [_plain(item, name) for item in value]
        case int() if name in _TEXTUAL_INTEGERS:
            plain = str(value)
        case _ if is_dataclass(value):
            plain = {
                item.name: _plain(getattr(value, item.name), item.name) for item in fields(value)
            }
        case _:
            plain = value
    return plain


def _require_schema(document: object) -> None:
    errors = sorted(_validator().iter_errors(document), key=lambda error: list(error.absolute_path))
    if errors:
        pointer = "".join(f"/{part}" for part in errors[0].absolute_path)
        message = f"The passport does not fit its schema at {pointer or '/'}."
        raise PassportInvalid(message, pointer=pointer, rule=errors[0].validator)


def _require_agreement(document: Mapping[str, Any]) -> None:
    """Refuse a passport whose parts tell different stories about the same release."""
    release, marking = document["release"], document["marking"]
    reviewed = release["reviewed_sha256"]
    ledger = document["ledger"]
    entry = _approval_entry(ledger["entry"])
    origin, size = _checkpoint_head(ledger["checkpoint"])
    claims = [
        (entry.get("event") == APPROVAL_EVENT, "the ledger entry is not an approval"),
        (_subject_sha256(entry) == reviewed, "the ledger entry approves other bytes"),
        (origin == ledger["origin"], "the checkpoint is of another ledger"),
        (ledger["leaf_index"] < size, "the checkpoint does not cover the ledger entry"),
        (marking["profile"] == release["marking_profile"], "the marking profiles differ"),
        (
            all(decision["seen_sha256"] == reviewed for decision in document["decisions"]),
            "a decision was on other bytes",
        ),
        (
            len({layer["layer"] for layer in marking["layers"]}) == len(marking["layers"]),
            "a marking layer is listed twice",
        ),
        (release["marked_sha256"] != reviewed, "the released bytes carry no mark"),
        (
            all(step["sha256"] == reviewed for step in document["asset"]["steps"][-1:]),
            "the last step made other bytes",
        ),
        *_approval_claims(document["approval"], document["decisions"]),
        *_break_glass_claims(document, entry),
    ]
    for layer in marking["layers"]:
        facts = layer["facts"]
        for name, expected in (
            ("reviewed_sha256", reviewed),
            ("ledger_leaf_index", ledger["leaf_index"]),
            ("approval_id", document["approval"]["id"]),
            ("case_id", document["approval"]["case_id"]),
        ):
            agrees = facts.get(name, expected) == expected
            claims.append((agrees, f"the layer {layer['layer']} states another {name}"))
    for holds, conflict in claims:
        if not holds:
            message = f"The passport contradicts itself: {conflict}."
            raise PassportInvalid(message)


def _approval_claims(
    approval: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]
) -> list[tuple[bool, str]]:
    """Each approval with changes has its condition, and each stage asks for what it names."""
    asked = {d["id"] for d in decisions if d["verdict"] == APPROVAL_WITH_CHANGES}
    told = [condition["decision_id"] for condition in approval["conditions"]]
    return [
        (
            len(told) == len(set(told)) and set(told) == asked,
            "the conditions are not those of the decisions",
        ),
        (
            all(
                (stage["role"] is not None) == (stage["asks"] == "role")
                and (stage["people"] is not None) == (stage["asks"] == "people")
                for stage in approval["stages"]
            ),
            "a stage asks for others than it names",
        ),
    ]


def _break_glass_claims(
    document: Mapping[str, Any], entry: Mapping[str, Any]
) -> list[tuple[bool, str]]:
    """Only an emergency goes without a decision, and then the ledger's entry names it as well."""
    told = document["approval"]["break_glass"]
    facts = entry.get("facts")
    recorded = facts.get("break_glass_id") if isinstance(facts, dict) else None
    return [
        (bool(document["decisions"] or told), "nobody decided, and no glass was broken"),
        ((told["id"] if told else None) == recorded, "the ledger tells of another break-glass"),
        (
            told is None or told["opened_by"] != told["confirmed_by"],
            "one person alone broke the glass",
        ),
    ]


def _approval_entry(encoded: str) -> Mapping[str, Any]:
    try:
        entry = json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        message = "The passport's ledger entry is not readable."
        raise PassportInvalid(message) from error
    return entry if isinstance(entry, dict) else {}


def _checkpoint_head(note: str) -> tuple[str, int]:
    """Return the origin and the tree size that a checkpoint opens with (C2SP tlog-checkpoint)."""
    origin, _, rest = note.partition("\n")
    size, _, _ = rest.partition("\n")
    if not (size.isascii() and size.isdecimal()):
        message = "The passport's checkpoint is not readable."
        raise PassportInvalid(message)
    return origin, int(size)


def _subject_sha256(entry: Mapping[str, Any]) -> object:
    subject = entry.get("subject")
    return subject.get("sha256") if isinstance(subject, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name given twice: one reader would see the first value, another the last."""
    document = dict(pairs)
    if len(document) != len(pairs):
        message = "a name occurs twice in one object"
        raise ValueError(message)
    return document
