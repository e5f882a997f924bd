"""The log's tables: entries and leaves are only ever added, tiles and head only ever grow."""

from django.db import models

from governance.tables.records import Record


class Entry(Record):
    """One recorded act; `body` holds the leaf's exact bytes, the columns repeat it for queries."""

    event = models.CharField(max_length=64)
    brand_id = models.UUIDField(null=True)
    subject_kind = models.CharField(max_length=64)
    subject_id = models.UUIDField()
    actor_id = models.UUIDField()
    body = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(name="entry_of_brand", fields=["brand_id", "id"]),
            models.Index(name="entry_of_subject", fields=["subject_id", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.id}"


class Pending(models.Model):
    """The sequencer's inbox; a trigger fills it, so that no writer can forget."""

    entry = models.OneToOneField(
        Entry, models.PROTECT, primary_key=True, db_constraint=False, related_name="pending"
    )

    def __str__(self) -> str:
        return f"pending {self.entry_id}"


class Leaf(models.Model):
    """An entry's place in the tree: contiguous from 0, never reused."""

    seq = models.PositiveBigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, models.PROTECT, db_constraint=False, related_name="leaf")
    leaf_hash = models.BinaryField()

    def __str__(self) -> str:
        return f"leaf {self.seq}"


class Tile(models.Model):
    """Up to 256 consecutive hashes of one tile level (C2SP tlog-tiles)."""

    level = models.PositiveSmallIntegerField()
    number = models.PositiveBigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="tile_has_one_place", fields=["level", "number"])
        ]

    def __str__(self) -> str:
        return f"tile {self.level}/{self.number}"


class Head(models.Model):
    """How many leaves there are, and their root; one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    size = models.PositiveBigIntegerField()
    root = models.BinaryField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="log_has_one_head", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"head at {self.size}"


class Checkpoint(models.Model):
    """A signed statement of the tree at one size."""

    size = models.PositiveBigIntegerField(primary_key=True)
    root = models.BinaryField()
    note = models.TextField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"checkpoint at {self.size}"


class Cosignature(Record):
    """One witness key's statement that a checkpoint extends all that it saw before."""

    checkpoint = models.ForeignKey(
        Checkpoint, models.PROTECT, db_constraint=False, related_name="cosignatures"
    )
    # The name and the id of the witness's key, and the line that it put under the note.
    witness = models.CharField(max_length=210)
    line = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="witness_cosigns_once", fields=["checkpoint", "witness"])
        ]
        indexes = [models.Index(name="cosignature_of_witness", fields=["witness", "checkpoint"])]

    def __str__(self) -> str:
        return f"{self.witness} on {self.checkpoint_id}"
