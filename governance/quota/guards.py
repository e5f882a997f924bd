"""What the database refuses: a balance without its entry, an entry without its balance.

Inserting an entry moves its account in the same statement (a trigger), so nobody can add an entry
and leave the balance. An account's balance changes only by exactly what its next entry says: the
update must raise `entries` by one and an entry with that number must exist and explain each
difference. Numbers are unique and entries append-only, so no entry can be used twice, and the rule
needs no secret, no session flag, no trigger depth (a temporary table's trigger can forge that) and
no right that the application lacks. It costs one indexed read for each movement.

`CHECK (reserved + spent <= granted)` is the arbiter under concurrency: an update waits for the
row, is computed from what the row then holds, and fails as a whole if it would overspend.

SQLite differs twice. `INSERT OR IGNORE` reaches into triggers and skips a balance that breaks a
CHECK, but not a RAISE: there each entry is also judged before it is inserted (it has one writer, so
that is exact). And REPLACE removes rows through any unique index without asking the delete
triggers, so each unique key has its own refusal on insert.
"""

from dataclasses import replace

from governance.tables.guards import (
    Guard,
    after_insert,
    append_only,
    composite_key,
    frozen,
    never_deleted,
    refuse_when,
)


def _only_sqlite(guard: Guard) -> Guard:
    return replace(guard, postgresql=())


def _delta(entry: str) -> dict[str, str]:
    """Write, in SQL, by how much `entry` moves each balance."""
    kind, amount = f"{entry}.kind", f"{entry}.amount"
    return {
        "granted": f"CASE {kind} WHEN 'grant' THEN {amount} ELSE 0 END",
        "reserved": (
            f"CASE {kind} WHEN 'reserve' THEN {amount} WHEN 'settle' THEN -{amount} "
            f"WHEN 'refund' THEN -{amount} ELSE 0 END"
        ),
        "spent": f"CASE {kind} WHEN 'settle' THEN {amount} ELSE 0 END",
    }


_MOVE = (
    "UPDATE quota_account SET "  # noqa: S608  our own constants
    + ", ".join(f"{column} = {column} + {delta}" for column, delta in _delta("NEW").items())
    + ", entries = entries + 1 WHERE id = NEW.account_id"
)
_UNMOVED = " AND ".join(
    f"NEW.{column} = OLD.{column}" for column in ("granted", "reserved", "spent", "entries")
)
_EXPLAINED = (
    "NEW.entries = OLD.entries + 1 AND EXISTS (SELECT 1 FROM quota_entry e "  # noqa: S608  as above
    "WHERE e.account_id = NEW.id AND e.number = NEW.entries AND "
    + " AND ".join(
        f"NEW.{column} = OLD.{column} + {delta}" for column, delta in _delta("e").items()
    )
    + ")"
)

GUARDS = (
    never_deleted("quota_account"),
    frozen(
        "quota_account",
        "id",
        "created_at",
        "holder_kind",
        "holder_id",
        "brand_id",
        "unit",
        "period",
    ),
    refuse_when(
        "quota_account_opens_empty",
        "quota_account",
        event="INSERT",
        condition="NEW.granted <> 0 OR NEW.reserved <> 0 OR NEW.spent <> 0 OR NEW.entries <> 0",
        message="an account opens empty; entries fill it",
    ),
    _only_sqlite(
        refuse_when(
            "quota_account_once",
            "quota_account",
            event="INSERT",
            condition=(
                "EXISTS (SELECT 1 FROM quota_account a WHERE a.holder_kind = NEW.holder_kind "
                "AND a.holder_id = NEW.holder_id AND a.brand_id IS NEW.brand_id "
                "AND a.unit = NEW.unit AND a.period = NEW.period)"
            ),
            message="a holder has one account in a period",
        )
    ),
    refuse_when(
        "quota_account_follows_entries",
        "quota_account",
        event="UPDATE",
        condition=f"NOT (({_UNMOVED}) OR ({_EXPLAINED}))",
        message="a balance moves only by its next entry",
    ),
    append_only("quota_entry"),
    composite_key("quota_entry", ("account_id",), "quota_account", ("id",)),
    refuse_when(
        "quota_entry_closes_a_reserve",
        "quota_entry",
        event="INSERT",
        condition=(
            "NEW.kind IN ('settle', 'refund') AND NOT EXISTS (SELECT 1 FROM quota_entry e "
            "WHERE e.item_id = NEW.item_id AND e.account_id = NEW.account_id "
            "AND e.kind = 'reserve' AND e.amount = NEW.amount)"
        ),
        message="only what was reserved can be settled or refunded, and all of it",
    ),
    refuse_when(
        "quota_entry_grant_by_another",
        "quota_entry",
        event="INSERT",
        condition=(
            "NEW.kind = 'grant' AND EXISTS (SELECT 1 FROM quota_account a "
            "WHERE a.id = NEW.account_id AND a.holder_id = NEW.granted_by)"
        ),
        message="nobody grants quota to themselves",
    ),
    refuse_when(
        "quota_entry_grant_recorded",
        "quota_entry",
        event="INSERT",
        condition=(
            "NEW.kind = 'grant' AND NOT EXISTS (SELECT 1 FROM ledger_entry l "
            "WHERE l.id = NEW.recorded_as AND l.event = 'quota.account.granted' "
            "AND l.subject_id = NEW.account_id AND l.actor_id = NEW.granted_by)"
        ),
        message="a grant names the ledger entry that recorded it",
    ),
    _only_sqlite(
        refuse_when(
            "quota_entry_fits",
            "quota_entry",
            event="INSERT",
            condition=(
                "NOT EXISTS (SELECT 1 FROM quota_account a WHERE a.id = NEW.account_id "
                "AND NEW.number = a.entries + 1 "
                "AND (NEW.kind <> 'reserve' OR a.reserved + a.spent + NEW.amount <= a.granted))"
            ),
            message="an entry takes the next number and never overspends",
        )
    ),
    _only_sqlite(
        refuse_when(
            "quota_entry_once",
            "quota_entry",
            event="INSERT",
            condition=(
                "EXISTS (SELECT 1 FROM quota_entry e WHERE e.account_id = NEW.account_id "
                "AND e.item_id = NEW.item_id AND (e.kind = NEW.kind "
                "OR (e.kind <> 'reserve' AND NEW.kind <> 'reserve'))) "
                "OR EXISTS (SELECT 1 FROM quota_entry e WHERE e.recorded_as = NEW.recorded_as)"
            ),
            message="an item reserves once and closes once, and a grant is recorded once",
        )
    ),
    after_insert("quota_entry_moves_account", "quota_entry", statement=_MOVE),
)
