"""What the database refuses about rights: to forget, to confirm one's own, to use what lapsed.

Guards that must not pass each other take one lock, the subject's. Expiry runs by the database's own
clock; CURRENT_TIMESTAMP is text in UTC on SQLite, as the columns are. Who had a part in a picture
stands in the review's contributions.
"""
# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.rights.states import RIGHTS
from governance.tables.guards import (
    append_only,
    composite_key,
    frozen,
    never_deleted,
    once,
    only_moves,
    refuse_when,
)

_TABLE, _USE = "rights_rightsrecord", "rights_use"
_NEW_LOCK, _OLD_LOCK = "'rights ' || NEW.subject_id", "'rights ' || OLD.subject_id"
_BYTES = ("subject_id", "sha256", "brand_id")
_CONFIRMS = "(OLD.state = 'waiting' AND NEW.state = 'in_force')"
_WITHDRAWS = "(OLD.state <> 'withdrawn' AND NEW.state = 'withdrawn')"


def usable(subject: str, sha256: str, brand: str, *, record: str = "r.id") -> str:
    """Return the SQL that the rights in exactly these bytes carry a use, by the database's clock.

    For the guards of whatever table names a picture: `NOT usable("NEW.…", …)` refuses its row.
    """
    return (
        f"EXISTS (SELECT 1 FROM rights_rightsrecord r WHERE r.id = {record} "
        f"AND r.subject_id = {subject} AND r.sha256 = {sha256} AND r.brand_id = {brand} "
        "AND r.state = 'in_force' "
        "AND (r.valid_from IS NULL OR r.valid_from <= CURRENT_TIMESTAMP) "
        "AND (r.expires_at IS NULL OR r.expires_at > CURRENT_TIMESTAMP))"
    )


def _recorded(event: str, actor: str) -> str:
    """Return the SQL that the ledger holds this act of that actor."""
    return (
        "EXISTS (SELECT 1 FROM ledger_entry l WHERE l.subject_id = NEW.id "
        f"AND l.event = '{event}' AND l.actor_id = {actor})"
    )


RECORD_GUARDS = (
    never_deleted(_TABLE),
    frozen(
        _TABLE,
        "id",
        "created_at",
        *_BYTES,
        "number",
        "owner",
        "basis",
        "reference",
        "people_shown",
        "consent",
        "biometric_use",
        "valid_from",
        "expires_at",
        "evidence",
        "evidence_sha256",
        "recorded_by",
    ),
    composite_key(_TABLE, _BYTES, "review_subject", ("id", "sha256", "brand_id")),
    once(
        "rights_record_once",
        _TABLE,
        ("subject_id", "number"),
        "a version of a rights record has its number alone",
    ),
    only_moves("rights_record_moves", _TABLE, RIGHTS, "a rights record cannot go there"),
    refuse_when(
        "rights_record_begins",
        _TABLE,
        event="INSERT",
        condition=(
            "NEW.state NOT IN ('waiting', 'in_force') OR NEW.confirmed_by IS NOT NULL "
            "OR NEW.withdrawn_by IS NOT NULL"
        ),
        message="a rights record begins as a statement",
    ),
    # Whoever restates what showed people, or was withdrawn, does not thereby bring it into force.
    refuse_when(
        "rights_record_waits",
        _TABLE,
        event="INSERT",
        condition=(
            "NEW.state = 'in_force' AND (NEW.people_shown <> 'none' "
            f"OR EXISTS (SELECT 1 FROM {_TABLE} r WHERE r.subject_id = NEW.subject_id "
            "AND (r.people_shown <> 'none' OR r.withdrawn_at IS NOT NULL)))"
        ),
        message="a second person confirms rights in what shows or showed people, or was withdrawn",
        lock=_NEW_LOCK,
    ),
    refuse_when(
        "rights_record_alone",
        _TABLE,
        event="INSERT",
        condition=(
            f"EXISTS (SELECT 1 FROM {_TABLE} r WHERE r.subject_id = NEW.subject_id "
            "AND r.state <> 'replaced')"
        ),
        message="one version of the rights in a picture stands",
        lock=_NEW_LOCK,
    ),
    refuse_when(
        "rights_record_confirmed_once",
        _TABLE,
        event="UPDATE",
        condition=(
            f"NOT {_CONFIRMS} AND (OLD.confirmed_by IS DISTINCT FROM NEW.confirmed_by "
            "OR OLD.confirmed_at IS DISTINCT FROM NEW.confirmed_at)"
        ),
        message="a confirmation is final",
    ),
    refuse_when(
        "rights_record_confirmed_by_another",
        _TABLE,
        event="UPDATE",
        condition=(
            f"{_CONFIRMS} AND (NEW.confirmed_by IS NULL "
            "OR EXISTS (SELECT 1 FROM review_contribution c WHERE c.subject_id = NEW.subject_id "
            "AND c.actor_id = NEW.confirmed_by) "
            f"OR EXISTS (SELECT 1 FROM {_TABLE} r WHERE r.subject_id = NEW.subject_id "
            "AND r.recorded_by = NEW.confirmed_by))"
        ),
        message="rights are confirmed by somebody who had no part in the picture",
        lock=_NEW_LOCK,
    ),
    refuse_when(
        "rights_record_confirmation_recorded",
        _TABLE,
        event="UPDATE",
        condition=f"{_CONFIRMS} AND NOT {_recorded('rights.record.confirmed', 'NEW.confirmed_by')}",
        message="a confirmation is recorded",
    ),
    refuse_when(
        "rights_record_withdrawn_once",
        _TABLE,
        event="UPDATE",
        condition=(
            f"NOT {_WITHDRAWS} AND (OLD.withdrawn_by IS DISTINCT FROM NEW.withdrawn_by "
            "OR OLD.withdrawn_at IS DISTINCT FROM NEW.withdrawn_at "
            "OR OLD.withdraw_reason IS DISTINCT FROM NEW.withdraw_reason)"
        ),
        message="a withdrawal of rights is final",
    ),
    # The same lock as on a new use: the two go one after the other.
    refuse_when(
        "rights_record_withdrawal_recorded",
        _TABLE,
        event="UPDATE",
        condition=(
            f"{_WITHDRAWS} AND NOT {_recorded('rights.record.withdrawn', 'NEW.withdrawn_by')}"
        ),
        message="a withdrawal of rights is recorded",
        lock=_OLD_LOCK,
    ),
)

USE_GUARDS = (
    append_only(_USE),
    once(
        "rights_use_once",
        _USE,
        ("subject_id", "used_kind", "used_id"),
        "a use of a picture is named once",
    ),
    refuse_when(
        "rights_use_of_what_is_usable",
        _USE,
        event="INSERT",
        condition=(
            f"NOT {usable('NEW.subject_id', 'NEW.sha256', 'NEW.brand_id', record='NEW.record_id')}"
        ),
        message="nothing rests on a picture without rights that are in force and have not expired",
        lock=_NEW_LOCK,
    ),
)

GUARDS = (*RECORD_GUARDS, *USE_GUARDS)

# People state, confirm and withdraw rights, and order what rests on them: all in web.
WRITERS = {_TABLE: frozenset({"reviewer"}), _USE: frozenset({"reviewer"})}
