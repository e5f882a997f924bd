"""Signs the log as it is, when it grew and extends what was signed before."""

from datetime import datetime

from django.db import transaction

from governance.ledger import checkpoints, selectors
from governance.ledger.checkpoints import CheckpointSigner, Signed
from governance.ledger.errors import LogDamaged, LogForked, SignerBehind
from governance.ledger.models import Checkpoint
from governance.ledger.selectors import CheckpointRecord


def sign_checkpoint(*, signer: CheckpointSigner, now: datetime) -> CheckpointRecord | None:
    """Sign a checkpoint of everything sequenced; None when there is nothing new.

    Raises: LogRolledBack, LogForked, SignerBehind, LogDamaged; then nothing is signed.
    """
    size, root = _state()
    remembered = _confirm(signer, size, root)
    published = selectors.find_checkpoint()
    if remembered is not None and (published is None or published.size < remembered.head.size):
        # The signer died after signing and before publishing: the signature is out, so it counts.
        record = _publish(remembered, now)
        if remembered.head.size == size:
            return record
    if size == 0 or (remembered is not None and remembered.head.size == size):
        return None
    return _publish(signer.sign(size, root, selectors.consistency_proof, now=now), now)


def confirm_continuity(*, signer: CheckpointSigner) -> None:
    """Let the relay start, or raise: the log must extend what this signer signed last.

    Raises: LogRolledBack (a backup was restored), LogForked, SignerBehind, LogDamaged.
    """
    size, root = _state()
    _confirm(signer, size, root)


def _state() -> tuple[int, bytes]:
    size, root = selectors.size_and_root()
    if selectors.root_at(size) != root:
        raise LogDamaged("The log's head does not match its tiles. Run fsck.", size=size)
    return size, root


def _confirm(signer: CheckpointSigner, size: int, root: bytes) -> Signed | None:
    remembered = signer.last()
    published = selectors.find_checkpoint()
    if remembered is not None:
        checkpoints.confirm_extension(remembered.head, size, root, selectors.consistency_proof)
    if published is None:
        return remembered
    if remembered is None or remembered.head.size < published.size:
        raise SignerBehind(
            f"A checkpoint of {published.size} entries was published, but the signer remembers "
            f"{0 if remembered is None else remembered.head.size}: its memory was lost or put "
            "back. Nothing is signed until this is cleared up.",
            published_size=published.size,
        )
    if published.size == remembered.head.size and published.root != remembered.head.root:
        raise LogForked(
            "The published checkpoint is not the one that the signer remembers.",
            size=published.size,
        )
    return remembered


def _publish(signed: Signed, now: datetime) -> CheckpointRecord:
    head = signed.head
    with transaction.atomic():
        row, _ = Checkpoint.objects.get_or_create(
            size=head.size,
            defaults={"root": head.root, "note": signed.note, "created_at": now},
        )
    return selectors.checkpoint_record(row)
