"""What the database refuses about the log, whoever asks: edits, gaps, shrinking, lost entries.

On SQLite a REPLACE removes rows through any unique index without asking the delete triggers, so
each unique key has its own refusal on insert.
"""

from governance.tables.guards import (
    after_insert,
    append_only,
    composite_key,
    frozen,
    never_deleted,
    once,
    refuse_when,
)

GUARDS = (
    append_only("ledger_entry"),
    after_insert(
        "ledger_entry_to_inbox",
        "ledger_entry",
        statement="INSERT INTO ledger_pending (entry_id) VALUES (NEW.id)",
    ),
    composite_key("ledger_pending", ("entry_id",), "ledger_entry", ("id",)),
    frozen("ledger_pending", "entry_id"),
    refuse_when(
        "ledger_pending_until_leaf",
        "ledger_pending",
        event="DELETE",
        condition="NOT EXISTS (SELECT 1 FROM ledger_leaf WHERE entry_id = OLD.entry_id)",
        message="an entry leaves the inbox only as a leaf",
    ),
    append_only("ledger_leaf", key="seq"),
    composite_key("ledger_leaf", ("entry_id",), "ledger_entry", ("id",)),
    refuse_when(
        "ledger_leaf_contiguous",
        "ledger_leaf",
        event="INSERT",
        condition="NEW.seq <> (SELECT COALESCE(MAX(seq) + 1, 0) FROM ledger_leaf)",
        message="a leaf takes the next place, without a gap",
    ),
    refuse_when(
        "ledger_leaf_once",
        "ledger_leaf",
        event="INSERT",
        condition="EXISTS (SELECT 1 FROM ledger_leaf WHERE entry_id = NEW.entry_id)",
        message="an entry has one leaf",
    ),
    never_deleted("ledger_tile"),
    frozen("ledger_tile", "id", "level", "number"),
    refuse_when(
        "ledger_tile_once",
        "ledger_tile",
        event="INSERT",
        condition=(
            "EXISTS (SELECT 1 FROM ledger_tile WHERE level = NEW.level AND number = NEW.number)"
        ),
        message="a tile has one place",
    ),
    refuse_when(
        "ledger_tile_grows",
        "ledger_tile",
        event="UPDATE",
        condition="NOT (substr(NEW.hashes, 1, length(OLD.hashes)) = OLD.hashes)",
        message="a tile keeps the hashes it has",
    ),
    never_deleted("ledger_head"),
    frozen("ledger_head", "id"),
    refuse_when(
        "ledger_head_grows",
        "ledger_head",
        event="UPDATE",
        condition=(
            "NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) "
            "OR NEW.size <> (SELECT COALESCE(MAX(seq) + 1, 0) FROM ledger_leaf)"
        ),
        message="the head only moves forward, with the leaves",
    ),
    append_only("ledger_checkpoint", key="size"),
    refuse_when(
        "ledger_checkpoint_grows",
        "ledger_checkpoint",
        event="INSERT",
        condition=(
            "NEW.size > (SELECT COALESCE(MAX(size), 0) FROM ledger_head) "
            "OR NEW.size < (SELECT COALESCE(MAX(size), 0) FROM ledger_checkpoint)"
        ),
        message="a checkpoint is of the log as it is, and later ones are larger",
    ),
    append_only("ledger_cosignature"),
    composite_key("ledger_cosignature", ("checkpoint_id",), "ledger_checkpoint", ("size",)),
    once(
        "ledger_cosignature_once",
        "ledger_cosignature",
        ("checkpoint_id", "witness"),
        "a witness's key cosigns a checkpoint once",
    ),
)

# Everybody adds entries, which a trigger puts into the inbox; the relay alone makes leaves of them.
WRITERS = {
    "ledger_leaf": frozenset({"sequencer"}),
    "ledger_tile": frozenset({"sequencer"}),
    "ledger_head": frozenset({"sequencer"}),
    "ledger_checkpoint": frozenset({"sequencer"}),
    "ledger_cosignature": frozenset({"sequencer"}),
}
CHANGERS = {"ledger_pending": frozenset({"sequencer"})}
