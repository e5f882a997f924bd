"""Acts once per Idempotency-Key: what a request did and its first answer are committed together.

A row that is in flight is committed first, so that a second sender is told so; the act and the
answer then share one transaction, fenced by the row's epoch: whoever took over a lost request
makes the first sender's late commit fail.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError
from governance.kernel.lifecycle import StaleState
from governance.sealing import services as sealing
from imprimatur.api import problems
from imprimatur.api.errors import (
    AnswerErased,
    IdempotencyKeyInFlight,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
)
from imprimatur.api.models import IdempotentRequest

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
PURPOSE = "api.answer"
MAX_LENGTH = 255
# After this long without an answer, a request counts as lost and may be sent again.
IN_FLIGHT = timedelta(minutes=2)
# How long a first answer is kept.
KEPT = timedelta(days=7)
# Refusals that are answers: they may have left a record, which a replay must not do again.
_ANSWERED_STATUSES = frozenset({403, 404, 409, 410, 422})


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; `kept` is stored in place of `body` where that holds a secret."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, Any] | None = None
    media_type: str | None = None

    def response(self) -> Response:
        """Return it as the framework's response."""
        return Response(
            self.body,
            status=self.status,
            headers=dict(self.headers),
            content_type=self.media_type,
        )


@dataclass(frozen=True, slots=True)
class _Turn:
    """The right to answer one request."""

    row_id: UUID
    epoch: int


def once(
    request: Request,
    actor: Actor,
    now: datetime,
    act: Callable[[str], Answer],
    *,
    said: Any = None,
) -> Response:
    """Run `act(key)` unless the request was answered before, and answer.

    `said` is the body as JSON can hold it, where it came as something else.
    Raises: IdempotencyKeyMissing, IdempotencyKeyReused, IdempotencyKeyInFlight, AnswerErased.
    """
    key = key_of(request)
    turn = _begin(actor, key, _digest(request, said), now)
    if isinstance(turn, Answer):
        return turn.response()
    try:
        with transaction.atomic():
            answer = _answer(act, key)
            if answer.status < 300 or answer.status in _ANSWERED_STATUSES:  # noqa: PLR2004
                _finish(turn, actor, answer)
                return answer.response()
            transaction.set_rollback(True)
    except BaseException:
        _forget(turn)
        raise
    _forget(turn)
    return answer.response()


def key_of(request: Request) -> str:
    """Return the request's key. Raises: IdempotencyKeyMissing, also for an unusable one."""
    key = request.headers.get(HEADER, "")
    if not 1 <= len(key) <= MAX_LENGTH or not all("!" <= character <= "~" for character in key):
        raise IdempotencyKeyMissing(
            _("This request needs an Idempotency-Key of 1 to 255 visible ASCII characters."),
            header=HEADER,
            rule="required" if not key else "pattern",
        )
    return key


def prune(*, now: datetime) -> int:
    """Remove what is older than it is kept; return how many."""
    removed, _by_table = IdempotentRequest.objects.filter(created_at__lte=now - KEPT).delete()
    return removed


def _answer(act: Callable[[str], Answer], key: str) -> Answer:
    try:
        return act(key)
    except DomainError as error:
        refused = problems.from_domain_error(error)
        headers = {name: value for name, value in refused.headers.items() if name != "Content-Type"}
        return Answer(refused.status_code, refused.data, headers, media_type=problems.MEDIA_TYPE)


def _begin(actor: Actor, key: str, digest: str, now: datetime) -> _Turn | Answer:
    key_sha256 = sha256_hex(key.encode())
    row = IdempotentRequest(
        actor_id=actor.id,
        key_sha256=key_sha256,
        request_sha256=digest,
        created_at=now,
        started_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return _earlier(actor, key_sha256, digest, now)
    return _Turn(row.id, row.epoch)


def _earlier(actor: Actor, key_sha256: str, digest: str, now: datetime) -> _Turn | Answer:
    row = IdempotentRequest.objects.filter(actor_id=actor.id, key_sha256=key_sha256).first()
    if row is not None and row.request_sha256 != digest:
        raise IdempotencyKeyReused(
            _("This Idempotency-Key was used for a different request."),
            header=HEADER,
            rule="reused",
        )
    if row is not None and row.answer is not None:
        return _replay(row)
    if row is not None and row.started_at <= now - IN_FLIGHT:
        lost = IdempotentRequest.objects.filter(pk=row.pk, epoch=row.epoch, status__isnull=True)
        if lost.update(epoch=row.epoch + 1, started_at=now) == 1:
            return _Turn(row.id, row.epoch + 1)
    raise IdempotencyKeyInFlight(
        _("The first request with this Idempotency-Key is not answered yet."),
        header=HEADER,
        rule="in_flight",
        retry_after_s=1,
    )


def _replay(row: IdempotentRequest) -> Answer:
    text = sealing.reveal(sealed=bytes(row.answer or b""), purpose=PURPOSE)
    if text is None:
        raise AnswerErased(_("The first answer to this request was erased. Use a new key."))
    kept = json.loads(text)
    return Answer(
        row.status or 0,
        kept["body"],
        {**kept["headers"], REPLAYED: "true"},
        media_type=kept["media_type"],
    )


def _finish(turn: _Turn, actor: Actor, answer: Answer) -> None:
    kept = {
        "body": answer.body if answer.kept is None else answer.kept,
        "headers": dict(answer.headers),
        "media_type": answer.media_type,
    }
    text = json.dumps(kept, default=str)
    sealed = sealing.seal(person_id=actor.id, text=text, purpose=PURPOSE)
    rows = IdempotentRequest.objects.filter(pk=turn.row_id, epoch=turn.epoch, status__isnull=True)
    if rows.update(status=answer.status, answer=sealed) != 1:
        raise StaleState(_("Somebody else took over this request: ask again for its answer."))


def _forget(turn: _Turn) -> None:
    rows = IdempotentRequest.objects.filter(pk=turn.row_id, epoch=turn.epoch, status__isnull=True)
    rows.delete()


def _digest(request: Request, said: Any) -> str:
    data = request.data if said is None else said
    whole = json.dumps([request.method, request.path, data], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()
