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

from governance.quota.states import REQUEST
from governance.tables.guards import (
    Guard,
    after_insert,
    append_only,
    composite_key,
    frozen,
    never_deleted,
    only_moves,
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
        "gpu_ms": f"{entry}.gpu_ms",
    }


_MOVE = (
    "UPDATE quota_account SET "  # noqa: S608  our own constants
    + ", ".join(f"{column} = {column} + {delta}" for column, delta in _delta("NEW").items())
    + ", entries = entries + 1 WHERE id = NEW.account_id"
)
_UNMOVED = " AND ".join(f"NEW.{column} = OLD.{column}" for column in (*_delta("e"), "entries"))
_EXPLAINED = (
    "NEW.entries = OLD.entries + 1 AND EXISTS (SELECT 1 FROM quota_entry e "  # noqa: S608  as above
    "WHERE e.account_id = NEW.id AND e.number = NEW.entries AND "
    + " AND ".join(
        f"NEW.{column} = OLD.{column} + {delta}" for column, delta in _delta("e").items()
    )
    + ")"
)

_REQUESTS = (
    never_deleted("quota_request"),
    frozen(
        "quota_request",
        "id",
        "created_at",
        "brand_id",
        "requested_by",
        "holder_kind",
        "holder_id",
        "period",
        "amount",
        "reason",
    ),
    refuse_when(
        "quota_request_opens_open",
        "quota_request",
        event="INSERT",
        condition="NEW.state <> 'open'",
        message="a request begins open",
    ),
    only_moves(
        "quota_request_moves",
        "quota_request",
        REQUEST,
        "a request is decided once",
    ),
    refuse_when(
        "quota_request_decision_final",
        "quota_request",
        event="UPDATE",
        condition=(
            "OLD.state <> 'open' AND (OLD.decided_by IS DISTINCT FROM NEW.decided_by "
            "OR OLD.decided_at IS DISTINCT FROM NEW.decided_at "
            "OR OLD.granted IS DISTINCT FROM NEW.granted "
            "OR OLD.answer IS DISTINCT FROM NEW.answer)"
        ),
        message="a decision is final",
    ),
    refuse_when(
        "quota_request_agrees_with_its_grant",
        "quota_request",
        event="UPDATE",
        condition=(
            "OLD.state = 'open' AND ((NEW.state = 'granted' AND NOT EXISTS "
            "(SELECT 1 FROM quota_entry e WHERE e.request_id = NEW.id "
            "AND e.amount = NEW.granted AND e.granted_by = NEW.decided_by)) "
            "OR (NEW.state IN ('declined', 'withdrawn') AND EXISTS "
            "(SELECT 1 FROM quota_entry e WHERE e.request_id = NEW.id)))"
        ),
        message="a request is granted by the entry that names it, and only then",
        lock="NEW.id::text",
    ),
    _only_sqlite(
        refuse_when(
            "quota_request_once",
            "quota_request",
            event="INSERT",
            condition=(
                "NEW.state = 'open' AND EXISTS (SELECT 1 FROM quota_request r "
                "WHERE r.state = 'open' "
                "AND r.requested_by = NEW.requested_by AND r.holder_kind = NEW.holder_kind "
                "AND r.holder_id = NEW.holder_id AND r.brand_id = NEW.brand_id "
                "AND r.period = NEW.period)"
            ),
            message="one asks once at a time for an account",
        )
    ),
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
        condition=" OR ".join(f"NEW.{column} <> 0" for column in (*_delta("e"), "entries")),
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
                "OR EXISTS (SELECT 1 FROM quota_entry e WHERE e.recorded_as = NEW.recorded_as) "
                "OR EXISTS (SELECT 1 FROM quota_entry e WHERE e.request_id = NEW.request_id)"
            ),
            message="an item reserves once and closes once, a grant is recorded and answers once",
        )
    ),
    refuse_when(
        "quota_entry_answers_its_request",
        "quota_entry",
        event="INSERT",
        condition=(
            "NEW.request_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM quota_request r "
            "JOIN quota_account a ON a.id = NEW.account_id WHERE r.id = NEW.request_id "
            "AND r.state = 'open' AND r.requested_by <> NEW.granted_by "
            "AND NEW.amount <= r.amount AND r.holder_kind = a.holder_kind "
            "AND r.holder_id = a.holder_id AND r.period = a.period "
            "AND COALESCE(a.brand_id, r.brand_id) = r.brand_id)"
        ),
        message="a grant answers an open request of somebody else, for that account, within it",
        # Null for what names no request, and then nothing is locked.
        lock="NEW.request_id::text",
    ),
    *_REQUESTS,
    after_insert("quota_entry_moves_account", "quota_entry", statement=_MOVE),
)

# The publisher spends nothing; accounts are opened by people. A trigger moves the balances with
# the rights of whoever adds the entry.
WRITERS = {
    "quota_account": frozenset({"reviewer"}),
    "quota_entry": frozenset({"app", "reviewer", "sequencer"}),
    "quota_request": frozenset({"reviewer"}),
}
CHANGERS = {
    f"quota_account.{column}": frozenset({"app", "reviewer", "sequencer"})
    for column in (*_delta("e"), "entries")
}
