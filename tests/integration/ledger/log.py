"""A small log for tests: entries appended, sequenced, signed and exported through the services."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.db import connection, transaction

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import keys, services
from governance.ledger.checkpoints import CheckpointSigner
from governance.ledger.events import Event
from governance.ledger.notes import VerifierKey
from governance.tables import guards
from tests import databases

NOW = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
ORIGIN = "imprimatur.example/log"
SHA256 = "ab" * 32


def write(count: int = 1, *, event: Event = Event.REVIEW_CASE_OPENED) -> list[UUID]:
    """Append `count` entries, each in its own transaction, and return their ids."""
    made = []
    for place in range(count):
        with transaction.atomic():
            made.append(
                services.append(
                    actor=Actor(id=uuid7()),
                    event=event,
                    subject=SubjectRef("review_case", uuid7(), uuid7(), SHA256),
                    now=NOW,
                    facts={"place": place},
                )
            )
    return made


@dataclass(frozen=True, slots=True)
class Signing:
    """A signer with its key folder and its public key."""

    folder: Path
    key: VerifierKey
    signer: CheckpointSigner

    def grow(self, count: int) -> str:
        """Append, sequence and sign; return the checkpoint's note."""
        write(count)
        services.sequence(now=NOW)
        made = services.sign_checkpoint(signer=self.signer, now=NOW)
        assert made is not None
        return made.note


def make_signing(folder: Path) -> Signing:
    """Make a key and load its signer."""
    key = keys.make_checkpoint_key(folder, ORIGIN)
    return Signing(folder, key, CheckpointSigner.load(folder))


@contextmanager
def unguarded() -> Iterator[None]:
    """Work as an attacker for whom the guards are gone; the negative control of every refusal."""
    with databases.as_owner():
        guards.drop(connection)
        try:
            yield
        finally:
            guards.install(connection)
