"""What the database refuses about keys: losing one unrecorded, moving one, bringing one back."""

from governance.tables.guards import frozen, never_deleted, refuse_when

TABLE = "sealing_personkey"

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
)
