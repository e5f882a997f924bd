"""Records a refused attempt to decide: the case stays as it is, and the ledger knows who tried."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.digests import is_sha256
from governance.kernel.errors import DomainError, InvalidInput
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.review import selectors
from governance.review.models import Case


@contextmanager
def recorded(
    *,
    actor: Actor,
    case_id: UUID,
    sha256: str,
    now: datetime,
    event: Event = Event.REVIEW_DECISION_REFUSED,
) -> Iterator[None]:
    """Record what the block refuses, after its own transaction was rolled back; raise it again.

    Malformed input leaves nothing, and neither does a case that does not exist. Where the caller
    has a transaction of its own, the record stays only if that is committed.
    """
    try:
        yield
    except InvalidInput:
        raise
    except DomainError as error:
        _record(actor, event, case_id, error.code, sha256, now)
        raise


def _record(
    actor: Actor, event: Event, case_id: UUID, code: str, sha256: str, now: datetime
) -> None:
    case = Case.objects.select_related("subject").filter(id=case_id).first()
    if case is None:
        return
    with transaction.atomic():
        ledger.append(
            actor=actor,
            event=event,
            subject=selectors.subject_ref(case.subject),
            now=now,
            facts={
                "case_id": str(case_id),
                "code": code,
                # Whatever else was sent there is not ours to keep.
                "sha256": sha256 if is_sha256(sha256) else "",
            },
        )
