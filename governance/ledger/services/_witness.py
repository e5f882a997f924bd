"""Asks witnesses for their cosignature of the latest checkpoint, outside any transaction."""

from datetime import datetime
from http import HTTPStatus

import httpx
from django.db import transaction

from governance.ledger import notes, selectors, witness
from governance.ledger.errors import (
    MalformedNote,
    SignatureInvalid,
    WitnessRefused,
    WitnessUnavailable,
)
from governance.ledger.models import Cosignature
from governance.ledger.notes import VerifierKey
from governance.ledger.selectors import CheckpointRecord
from governance.ledger.services._places import WitnessAddress

TIMEOUT_S = 5
MAX_ANSWER_BYTES = 64 * 1024


def ask_witness(*, at: WitnessAddress, now: datetime) -> int:
    """Get the latest checkpoint cosigned, and return 1; 0 if there is none or it is already.

    Raises: WitnessRefused if the witness knows another past, which is an alarm;
    WitnessUnavailable if it does not answer properly.
    """
    latest = selectors.find_checkpoint()
    if latest is None:
        return 0
    known = selectors.cosigned_size(at.key_names)
    if known == latest.size:
        return 0
    answer = _send(at, latest, known)
    if answer.status_code == HTTPStatus.CONFLICT:
        answer = _send(at, latest, _size_it_knows(at, answer.text, latest))
    if answer.status_code in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
        raise WitnessRefused(
            f"The witness {at.name} saw another past of this log.", witness=at.name
        )
    if answer.status_code != HTTPStatus.OK:
        raise _unavailable(at, f"it answered {answer.status_code}")
    _keep(at, latest, answer.text, now)
    return 1


def _send(at: WitnessAddress, latest: CheckpointRecord, old: int) -> httpx.Response:
    path = selectors.consistency_proof(old, latest.size)
    try:
        answer = httpx.post(
            f"{at.url}/add-checkpoint",
            content=witness.request_body(old, path, latest.note).encode(),
            timeout=TIMEOUT_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise _unavailable(at, type(error).__name__) from error
    if len(answer.content) > MAX_ANSWER_BYTES:
        raise _unavailable(at, "its answer is too long")
    return answer


def _size_it_knows(at: WitnessAddress, text: str, latest: CheckpointRecord) -> int:
    known = text.removesuffix("\n")
    if not (known.isascii() and known.isdigit()):
        raise _unavailable(at, "it names no size")
    if int(known) > latest.size:
        raise WitnessRefused(
            f"The witness {at.name} saw {known} entries of this log, which has {latest.size} "
            "signed: a backup was restored or the end was cut off.",
            witness=at.name,
        )
    return int(known)


def _keep(at: WitnessAddress, latest: CheckpointRecord, text: str, now: datetime) -> None:
    """Store the lines that verify; lines of keys that we do not know are passed over."""
    try:
        lines = notes.signature_lines(text)
    except MalformedNote as error:
        raise _unavailable(at, "it gave no signature lines") from error
    made = {key.short: line for key in at.keys for line in lines if _is_of(latest.note + line, key)}
    if not made:
        raise _unavailable(at, "none of its signatures is of the keys we know")
    with transaction.atomic():
        for name, line in made.items():
            Cosignature.objects.get_or_create(
                checkpoint_id=latest.size, witness=name, defaults={"line": line, "created_at": now}
            )


def _is_of(note: str, key: VerifierKey) -> bool:
    try:
        notes.confirm_cosigned(note, key)
    except (MalformedNote, SignatureInvalid):
        return False
    return True


def _unavailable(at: WitnessAddress, why: str) -> WitnessUnavailable:
    return WitnessUnavailable(f"The witness {at.name} gave no cosignature: {why}.", witness=at.name)
