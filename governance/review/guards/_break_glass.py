"""The short way in an emergency: never without two people, and never before its countdown is over.

The countdown's length stands in these guards, so that a shorter one takes the owner of the tables;
it runs by the database's own clock. CURRENT_TIMESTAMP is text in UTC on SQLite, as the columns are.
"""
# ruff: noqa: S608 - the SQL here is made of our own constants

from django.conf import settings

from governance.review.guards._subjects import SUBJECT_LOCK
from governance.review.states import BREAK_GLASS
from governance.tables.guards import (
    Guard,
    composite_key,
    frozen,
    never_deleted,
    only_moves,
    refuse_when,
)

TABLE = "review_breakglass"


def is_spent_on(case: str, sha256: str, break_glass: str) -> str:
    """Return the SQL that this break-glass was used for that case and those bytes, and rightly."""
    return (
        f"EXISTS (SELECT 1 FROM {TABLE} b WHERE b.id = {break_glass} AND b.case_id = {case} "
        f"AND b.sha256 = {sha256} AND b.state = 'used' AND b.confirmed_by <> b.opened_by "
        "AND b.effective_at <= CURRENT_TIMESTAMP "
        "AND NOT EXISTS (SELECT 1 FROM review_contribution c WHERE c.subject_id = b.subject_id "
        "AND c.actor_id IN (b.opened_by, b.confirmed_by)))"
    )


def _had_a_part(*people: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM review_contribution c WHERE c.subject_id = NEW.subject_id "
        f"AND c.actor_id IN ({', '.join(f'NEW.{person}' for person in people)}))"
    )


def _saw_nothing(person: str) -> str:
    return (
        "NOT EXISTS (SELECT 1 FROM review_delivery d WHERE d.subject_id = NEW.subject_id "
        f"AND d.sha256 = NEW.sha256 AND d.person_id = NEW.{person})"
    )


_CASE_IS_NOT_OPEN = (
    "NOT EXISTS (SELECT 1 FROM review_case k WHERE k.id = NEW.case_id AND k.state = 'open' "
    "AND k.subject_id = NEW.subject_id AND k.sha256 = NEW.sha256)"
)


def _differing(name: str, *, postgresql: str, sqlite: str, message: str) -> Guard:
    """Refuse an update, in each vendor's own words."""
    one = refuse_when(name, TABLE, event="UPDATE", condition=postgresql, message=message)
    other = refuse_when(name, TABLE, event="UPDATE", condition=sqlite, message=message)
    return Guard(name, TABLE, one.postgresql, other.sqlite)


def _set_only_by(name: str, columns: tuple[str, ...], moves: str, message: str) -> Guard:
    """Refuse to set or change `columns` but in the update that makes one of `moves`."""
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
    condition = f"({changed}) AND NOT ({moves})"
    return _differing(
        name,
        postgresql=condition,
        sqlite=condition.replace("IS DISTINCT FROM", "IS NOT"),
        message=message,
    )


def _moves(source: str, *targets: str) -> str:
    wanted = ", ".join(f"'{target}'" for target in targets)
    return f"OLD.state = '{source}' AND NEW.state IN ({wanted})"


_CONFIRMS = _moves("opened", "confirmed")
_STOPS = "OLD.state IN ('opened', 'confirmed') AND NEW.state = 'stopped'"
_USES = _moves("confirmed", "used")
_JUDGES = _moves("used", "upheld", "faulted")
_ENDS = "COALESCE(NEW.effective_at, CURRENT_TIMESTAMP)"
_COUNTDOWN_S = int(settings.BREAK_GLASS_COUNTDOWN_S)

GUARDS: tuple[Guard, ...] = (
    never_deleted(TABLE),
    frozen(
        TABLE,
        "id",
        "case_id",
        "subject_id",
        "sha256",
        "brand_id",
        "opened_by",
        "reason",
        "created_at",
    ),
    composite_key(
        TABLE,
        ("subject_id", "sha256", "brand_id"),
        "review_subject",
        ("id", "sha256", "brand_id"),
    ),
    only_moves("review_breakglass_moves", TABLE, BREAK_GLASS, "a break-glass cannot go there"),
    refuse_when(
        "review_breakglass_starts_opened",
        TABLE,
        event="INSERT",
        condition=(
            "NEW.state <> 'opened' OR NEW.confirmed_by IS NOT NULL "
            "OR NEW.confirmed_at IS NOT NULL OR NEW.effective_at IS NOT NULL "
            "OR NEW.stopped_by IS NOT NULL OR NEW.used_at IS NOT NULL "
            "OR NEW.judge_until IS NOT NULL OR NEW.judged_by IS NOT NULL "
            "OR NEW.judgement_reason IS NOT NULL"
        ),
        message="a break-glass starts opened, by one person",
    ),
    refuse_when(
        "review_breakglass_opened_on_open_case",
        TABLE,
        event="INSERT",
        condition=_CASE_IS_NOT_OPEN,
        message="a break-glass is for an open case and its own bytes",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_breakglass_opened_by_contributor",
        TABLE,
        event="INSERT",
        condition=_had_a_part("opened_by"),
        message="nobody breaks the glass for what they contributed to",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_breakglass_opened_unseen",
        TABLE,
        event="INSERT",
        condition=_saw_nothing("opened_by"),
        message="whoever breaks the glass has had these bytes on their screen",
    ),
    _set_only_by(
        "review_breakglass_confirmed_once",
        ("confirmed_by", "confirmed_at", "effective_at"),
        _CONFIRMS,
        "who confirmed a break-glass and its countdown stand",
    ),
    refuse_when(
        "review_breakglass_confirmed_by_one",
        TABLE,
        event="UPDATE",
        condition=(f"{_CONFIRMS} AND (NEW.confirmed_by IS NULL OR NEW.confirmed_at IS NULL)"),
        message="a break-glass is confirmed by somebody",
    ),
    refuse_when(
        "review_breakglass_confirmed_by_contributor",
        TABLE,
        event="UPDATE",
        condition=f"{_CONFIRMS} AND {_had_a_part('confirmed_by')}",
        message="nobody breaks the glass for what they contributed to",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_breakglass_confirmed_unseen",
        TABLE,
        event="UPDATE",
        condition=f"{_CONFIRMS} AND {_saw_nothing('confirmed_by')}",
        message="whoever breaks the glass has had these bytes on their screen",
    ),
    _differing(
        "review_breakglass_whole_countdown",
        postgresql=(
            f"{_CONFIRMS} AND {_ENDS} < CURRENT_TIMESTAMP + interval '{_COUNTDOWN_S} seconds'"
        ),
        sqlite=f"{_CONFIRMS} AND {_ENDS} < datetime('now', '+{_COUNTDOWN_S} seconds')",
        message="the countdown of a break-glass is not shortened",
    ),
    _set_only_by(
        "review_breakglass_stopped_once",
        ("stopped_by", "stopped_at"),
        _STOPS,
        "who stopped a break-glass stands",
    ),
    refuse_when(
        "review_breakglass_stopped_by_one",
        TABLE,
        event="UPDATE",
        condition=f"{_STOPS} AND (NEW.stopped_by IS NULL OR NEW.stopped_at IS NULL)",
        message="a break-glass is stopped by somebody",
    ),
    _set_only_by(
        "review_breakglass_used_once",
        ("used_at", "judge_until"),
        _USES,
        "when a break-glass was used, and until when it is judged, stand",
    ),
    refuse_when(
        "review_breakglass_used_in_time",
        TABLE,
        event="UPDATE",
        condition=(
            f"{_USES} AND ({_ENDS} > CURRENT_TIMESTAMP OR NEW.used_at IS NULL "
            "OR NEW.judge_until IS NULL)"
        ),
        message="a break-glass is used when its countdown is over",
    ),
    refuse_when(
        "review_breakglass_used_on_open_case",
        TABLE,
        event="UPDATE",
        condition=f"{_USES} AND {_CASE_IS_NOT_OPEN}",
        message="a break-glass overrides missing decisions, never an objection",
        lock=SUBJECT_LOCK,
    ),
    _set_only_by(
        "review_breakglass_judged_once",
        ("judged_by", "judged_at", "judgement_reason"),
        _JUDGES,
        "the judgement on a break-glass stands",
    ),
    refuse_when(
        "review_breakglass_judged_by_one",
        TABLE,
        event="UPDATE",
        condition=(
            f"{_JUDGES} AND (NEW.judged_by IS NULL OR NEW.judged_at IS NULL "
            "OR NEW.judgement_reason IS NULL)"
        ),
        message="a break-glass is judged by somebody, with a reason",
    ),
    refuse_when(
        "review_breakglass_judged_by_contributor",
        TABLE,
        event="UPDATE",
        condition=f"{_JUDGES} AND {_had_a_part('judged_by')}",
        message="nobody judges what they contributed to",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_contribution_after_break_glass",
        "review_contribution",
        event="INSERT",
        condition=(
            f"EXISTS (SELECT 1 FROM {TABLE} b WHERE b.subject_id = NEW.subject_id "
            "AND b.state <> 'stopped' "
            "AND NEW.actor_id IN (b.opened_by, b.confirmed_by, b.judged_by))"
        ),
        message="who broke the glass for a subject cannot contribute to it afterwards",
        lock=SUBJECT_LOCK,
    ),
    refuse_when(
        "review_approval_break_glass",
        "review_approval",
        event="INSERT",
        condition=(
            "NEW.break_glass_id IS NOT NULL AND NOT "
            + is_spent_on("NEW.case_id", "NEW.sha256", "NEW.break_glass_id")
        ),
        message="an approval names only a break-glass that was used for these very bytes",
        lock=SUBJECT_LOCK,
    ),
)
