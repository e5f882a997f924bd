"""What the database refuses about keys and holds: losing one, moving one, bringing one back."""

from governance.tables.guards import frozen, never_deleted, refuse_when

TABLE = "sealing_personkey"
HOLDS = "sealing_personhold"

GUARDS = (
    never_deleted(TABLE),
    frozen(TABLE, "id", "person_id", "created_at"),
    refuse_when(
        f"{TABLE}_stays_destroyed",
        TABLE,
        event="UPDATE",
        condition="OLD.destroyed_at IS NOT NULL",
        message="a destroyed key never comes back",
    ),
    # SQLite would otherwise let REPLACE INTO remove the live key through the unique index.
    refuse_when(
        f"{TABLE}_one_live",
        TABLE,
        event="INSERT",
        condition=(
            "NEW.destroyed_at IS NULL AND EXISTS (SELECT 1 FROM sealing_personkey held "
            "WHERE held.person_id = NEW.person_id AND held.destroyed_at IS NULL)"
        ),
        message="this person has a live key already",
    ),
    # The same lock as on a new hold: an erasure and a hold of one person go one after the other.
    refuse_when(
        f"{TABLE}_not_under_hold",
        TABLE,
        event="UPDATE",
        condition=(
            "NEW.destroyed_at IS NOT NULL AND EXISTS (SELECT 1 FROM sealing_personhold held "
            "WHERE held.person_id = OLD.person_id AND held.lifted_at IS NULL)"
        ),
        message="the person is under a legal hold",
        lock="'hold ' || OLD.person_id",
    ),
    never_deleted(HOLDS),
    frozen(HOLDS, "id", "created_at", "person_id", "brand_id", "placed_by", "reason"),
    refuse_when(
        f"{HOLDS}_stays_lifted",
        HOLDS,
        event="UPDATE",
        condition="OLD.lifted_at IS NOT NULL",
        message="a lifted hold never changes",
    ),
    refuse_when(
        f"{HOLDS}_one_standing",
        HOLDS,
        event="INSERT",
        condition=(
            "NEW.lifted_at IS NULL AND EXISTS (SELECT 1 FROM sealing_personhold held "
            "WHERE held.person_id = NEW.person_id AND held.brand_id = NEW.brand_id "
            "AND held.lifted_at IS NULL)"
        ),
        message="this person is under a legal hold of this brand already",
        lock="'hold ' || NEW.person_id",
    ),
)

# Whoever seals the first text of a person makes their key; only people erase, over web.
WRITERS = {HOLDS: frozenset({"reviewer"})}
CHANGERS = {TABLE: frozenset({"reviewer"})}
