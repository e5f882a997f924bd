"""Reads of the log: entries scoped to the actor, proofs open to whoever may name the entry."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Max, QuerySet

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.ledger import merkle
from governance.ledger.errors import LogDamaged, NotCovered
from governance.ledger.models import Checkpoint, Cosignature, Entry, Head, Leaf, Tile
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.sealing import services as sealing
from governance.sealing.services import HoldRecord

MAX_PAGE = 500
# What the reasons of legal holds are sealed for.
HOLD_REASON = "sealing.hold.reason"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """One recorded act; `seq` is its place in the tree, once it has one."""

    id: UUID
    created_at: datetime
    event: str
    brand_id: UUID | None
    subject_kind: str
    subject_id: UUID
    actor_id: UUID
    body: bytes
    seq: int | None

    def content(self) -> dict[str, Any]:
        """Read the body; the bytes stay the truth."""
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries, newest first, and the id to continue `after`; None at the end."""

    entries: tuple[EntryRecord, ...]
    after: UUID | None


@dataclass(frozen=True, slots=True)
class LeafRecord:
    """An entry's place in the tree."""

    seq: int
    entry_id: UUID
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A signed statement of the tree at one size; `note` is the C2SP text."""

    size: int
    root: bytes
    note: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That one leaf is in the tree of `size` leaves: hashes from the leaf's sibling to the root."""

    leaf_hash: bytes
    index: int
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an offline verifier needs about one entry, besides the log's public key."""

    entry: bytes
    proof: InclusionProof
    checkpoint: CheckpointRecord

    def as_json(self) -> dict[str, Any]:
        """Write it as the `ledger` member of a passport."""
        return {
            "entry": base64.b64encode(self.entry).decode(),
            "leaf_index": self.proof.index,
            "proof": [step.hex() for step in self.proof.path],
            "checkpoint": self.checkpoint.note,
        }


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold with its reasons in the open; a reason is None once its author was erased."""

    id: UUID
    person_id: UUID
    brand_id: UUID
    placed_by: UUID
    created_at: datetime
    reason: str | None
    lifted_at: datetime | None
    lifted_by: UUID | None
    lift_reason: str | None


@dataclass(frozen=True, slots=True)
class MergeDelay:
    """How far the log is behind: sizes, and since when the oldest entry waits for its turn."""

    size: int
    signed_size: int
    pending_since: datetime | None
    unsigned_since: datetime | None

    def waiting_s(self, now: datetime) -> float:
        """Return how long the oldest entry waits for its leaf or its first checkpoint."""
        since = [at for at in (self.pending_since, self.unsigned_since) if at is not None]
        return max(0.0, (now - min(since)).total_seconds()) if since else 0.0


def get_entry(entry_id: UUID, *, actor: Actor) -> EntryRecord:
    """Return one entry. Raises: NotFound, also for one that the actor may not see."""
    entry = _visible(actor).select_related("leaf").filter(id=entry_id).first()
    if entry is None:
        raise NotFound("There is no such ledger entry.", entry_id=entry_id)
    return _record(entry)


def list_entries(
    *,
    actor: Actor,
    after: UUID | None = None,
    limit: int = 50,
    brand_id: UUID | None = None,
    event_prefix: str = "",
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
) -> EntryPage:
    """Return one page of the entries that the actor may read, newest first."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"A page has 1 to {MAX_PAGE} entries.", pointer="/limit")
    chosen = _visible(actor).select_related("leaf").order_by("-id")
    if after is not None:
        chosen = chosen.filter(id__lt=after)
    if brand_id is not None:
        chosen = chosen.filter(brand_id=brand_id)
    if subject_id is not None:
        chosen = chosen.filter(subject_id=subject_id)
    if actor_id is not None:
        chosen = chosen.filter(actor_id=actor_id)
    if event_prefix:
        chosen = chosen.filter(event__startswith=event_prefix)
    rows = list(chosen[: limit + 1])
    page = tuple(_record(entry) for entry in rows[:limit])
    return EntryPage(page, page[-1].id if len(rows) > limit else None)


def find_leaf(entry_id: UUID) -> LeafRecord | None:
    """Return the entry's leaf, or None while it waits for the sequencer."""
    leaf = Leaf.objects.filter(entry_id=entry_id).first()
    return None if leaf is None else LeafRecord(leaf.seq, leaf.entry_id, bytes(leaf.leaf_hash))


def is_covered(entry_id: UUID) -> CheckpointRecord | None:
    """Return the first checkpoint that covers the entry, or None while there is none."""
    leaf = find_leaf(entry_id)
    if leaf is None:
        return None
    covering = Checkpoint.objects.filter(size__gt=leaf.seq).order_by("size").first()
    return None if covering is None else checkpoint_record(covering)


def covered_among(entry_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the entries that are under a signed checkpoint."""
    size = Checkpoint.objects.aggregate(size=Max("size"))["size"] or 0
    leaves = Leaf.objects.filter(entry_id__in=list(entry_ids), seq__lt=size)
    return frozenset(leaves.values_list("entry_id", flat=True))


def find_checkpoint(size: int | None = None) -> CheckpointRecord | None:
    """Return the checkpoint at `size`, or the latest one."""
    chosen = Checkpoint.objects.order_by("-size")
    found = (chosen if size is None else chosen.filter(size=size)).first()
    return None if found is None else checkpoint_record(found)


def list_holds(person_id: UUID, *, actor: Actor) -> tuple[Hold, ...]:
    """Return the person's legal holds in the brands where the actor may read them, oldest first."""
    brands = permits.brands_where(actor, Permission.LEDGER_HOLD_READ)
    held = [each for each in sealing.list_holds(person_id) if each.brand_id in brands]
    return tuple(open_hold(each) for each in held)


def open_hold(held: HoldRecord) -> Hold:
    """Return a hold with its reasons readable."""
    reasons = [text for text in (held.reason, held.lift_reason) if text is not None]
    opened = [*sealing.reveal_all(sealed=reasons, purpose=HOLD_REASON), None]
    return Hold(
        id=held.id,
        person_id=held.person_id,
        brand_id=held.brand_id,
        placed_by=held.placed_by,
        created_at=held.created_at,
        reason=opened[0],
        lifted_at=held.lifted_at,
        lifted_by=held.lifted_by,
        lift_reason=opened[1],
    )


def cosigned_note(checkpoint: CheckpointRecord) -> str:
    """Return the checkpoint's note with the cosignatures that witnesses gave since."""
    made = Cosignature.objects.filter(checkpoint_id=checkpoint.size).order_by("witness")
    return checkpoint.note + "".join(made.values_list("line", flat=True))


def cosigned_size(key_names: Sequence[str]) -> int:
    """Return the size of the largest checkpoint that one of these witness keys cosigned, or 0."""
    made = Cosignature.objects.filter(witness__in=key_names)
    return made.aggregate(size=Max("checkpoint_id"))["size"] or 0


def lagging_since(key_names: Sequence[str]) -> datetime | None:
    """Return since when a checkpoint waits for a cosignature of these keys; None if none does."""
    waiting = Checkpoint.objects.filter(size__gt=cosigned_size(key_names)).order_by("size")
    return waiting.values_list("created_at", flat=True).first()


def merge_delay() -> MergeDelay:
    """Return how far the log is behind its entries: what waits for a leaf, or for a signature."""
    size, _ = size_and_root()
    signed = find_checkpoint()
    signed_size = 0 if signed is None else signed.size
    unsigned = Leaf.objects.filter(seq=signed_size).values_list("entry__created_at", flat=True)
    return MergeDelay(size, signed_size, oldest_pending_at(), unsigned.first())


def inclusion_proof(entry_id: UUID, size: int) -> InclusionProof:
    """Return the proof that the entry is in the tree of `size` leaves. Raises: NotCovered."""
    leaf = find_leaf(entry_id)
    if leaf is None or not leaf.seq < size <= size_and_root()[0]:
        raise NotCovered(
            f"The entry is not in a tree of {size} leaves.", entry_id=entry_id, size=size
        )
    path = _whole(lambda: merkle.inclusion_path(leaf.seq, size, read_tile))
    return InclusionProof(leaf.leaf_hash, leaf.seq, size, path)


def consistency_proof(old: int, new: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of `old` leaves begins the tree of `new`."""
    if not 0 <= old <= new <= size_and_root()[0]:
        raise InvalidInput(
            f"There is no proof from {old} to {new} leaves: the sizes do not grow, or the log "
            "is shorter."
        )
    return _whole(lambda: merkle.consistency_path(old, new, read_tile))


def get_evidence(entry_id: UUID) -> Evidence:
    """Return the entry's bytes, proof and first checkpoint. Raises: NotFound, NotCovered."""
    entry = Entry.objects.filter(id=entry_id).first()
    if entry is None:
        raise NotFound("There is no such ledger entry.", entry_id=entry_id)
    checkpoint = is_covered(entry_id)
    if checkpoint is None:
        raise NotCovered("The entry is not under a signed checkpoint yet.", entry_id=entry_id)
    proof = inclusion_proof(entry_id, checkpoint.size)
    cosigned = replace(checkpoint, note=cosigned_note(checkpoint))
    return Evidence(bytes(entry.body), proof, cosigned)


def size_and_root() -> tuple[int, bytes]:
    """Return how many leaves the log has, and their root."""
    head = Head.objects.filter(id=1).first()
    return (0, merkle.EMPTY_ROOT) if head is None else (head.size, bytes(head.root))


def root_at(size: int) -> bytes:
    """Return the root of the first `size` leaves, from the tiles. Raises: LogDamaged."""
    return _whole(lambda: merkle.root(size, read_tile))


def oldest_pending_at() -> datetime | None:
    """Return since when the oldest entry waits for its leaf; None if none waits."""
    return (
        Entry.objects.filter(pending__isnull=False)
        .order_by("created_at")
        .values_list("created_at", flat=True)
        .first()
    )


def read_tile(level: int, number: int) -> bytes:
    """Return the hashes of one tile as stored; empty if there is none."""
    hashes = (
        Tile.objects.filter(level=level, number=number).values_list("hashes", flat=True).first()
    )
    return b"" if hashes is None else bytes(hashes)


def checkpoint_record(checkpoint: Checkpoint) -> CheckpointRecord:
    """Return the record of a row."""
    return CheckpointRecord(
        checkpoint.size, bytes(checkpoint.root), checkpoint.note, checkpoint.created_at
    )


def _whole(compute: Callable[[], Result]) -> Result:
    try:
        return compute()
    except merkle.TreeDamaged as error:
        raise LogDamaged(f"The log's stored tree is damaged: {error}. Run fsck.") from error


def _visible(actor: Actor) -> QuerySet[Entry]:
    if permits.may(actor, Permission.LEDGER_ENTRY_READ, Context()):
        return Entry.objects.all()
    brands = permits.brands_where(actor, Permission.LEDGER_ENTRY_READ)
    return Entry.objects.filter(brand_id__in=brands)


def _record(entry: Entry) -> EntryRecord:
    leaf: Leaf | None = getattr(entry, "leaf", None)
    return EntryRecord(
        id=entry.id,
        created_at=entry.created_at,
        event=entry.event,
        brand_id=entry.brand_id,
        subject_kind=entry.subject_kind,
        subject_id=entry.subject_id,
        actor_id=entry.actor_id,
        body=bytes(entry.body),
        seq=None if leaf is None else leaf.seq,
    )
