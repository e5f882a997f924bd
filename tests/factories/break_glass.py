"""Emergencies for tests, through the services; only the countdown is waited for as the owner."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from governance.review import services
from governance.review.models import BreakGlass
from governance.review.records import BreakGlassRecord, CaseRecord
from governance.tables import guards
from tests import databases
from tests.factories import review as make

WHY = "The campaign starts in an hour, and both reviewers are ill."


def nobody(_brand_id: UUID) -> Mapping[Role, frozenset[UUID]]:
    """Return a roster without anybody."""
    return {}


def open_it(
    case: CaseRecord, actor: Actor, *, now: datetime = make.NOW, **changes: Any
) -> BreakGlassRecord:
    """Look at the bytes and break the glass."""
    make.deliver(case, actor, now)
    asked: dict[str, Any] = {
        "case_id": case.id,
        "sha256": case.subject.sha256,
        "reason": WHY,
        "roster_of": nobody,
        "now": now,
    }
    return services.open_break_glass(actor=actor, **(asked | changes))


def confirm(
    opened: BreakGlassRecord, actor: Actor, *, now: datetime = make.NOW, **changes: Any
) -> BreakGlassRecord:
    """Look at the bytes and agree."""
    services.record_delivery(
        actor=actor, subject_id=opened.subject.id, sha256=str(opened.subject.sha256), now=now
    )
    asked: dict[str, Any] = {
        "break_glass_id": opened.id,
        "sha256": opened.subject.sha256,
        "roster_of": nobody,
        "now": now,
    }
    return services.confirm_break_glass(actor=actor, **(asked | changes))


def confirmed(team: make.Team, case: CaseRecord) -> BreakGlassRecord:
    """Open it as a manager and confirm it as the compliance reviewer; the countdown runs."""
    return confirm(open_it(case, team.manager), team.compliance_reviewer)


def use(
    found: BreakGlassRecord, actor: Actor, *, now: datetime = make.NOW, **changes: Any
) -> BreakGlassRecord:
    """Approve by it."""
    asked: dict[str, Any] = {"break_glass_id": found.id, "roster_of": nobody, "now": now}
    return services.use_break_glass(actor=actor, **(asked | changes))


def used(team: make.Team, case: CaseRecord) -> BreakGlassRecord:
    """Take the whole short way."""
    found = confirmed(team, case)
    let_countdown_pass(found)
    return use(found, team.manager)


def let_countdown_pass(found: BreakGlassRecord) -> None:
    """Put the countdown's end into the past, which only the owner of the tables can."""
    as_owner(found.id, effective_at=Now() - timedelta(seconds=1))


def let_judgement_be_late(found: BreakGlassRecord) -> None:
    """Put the judgement's end into the past, which only the owner of the tables can."""
    as_owner(found.id, judge_until=Now() - timedelta(seconds=1))


def as_owner(break_glass_id: UUID, **values: Any) -> None:
    """Change a row with its guards off, and put them on again."""
    with databases.as_owner():
        off = [guard for guard in guards.manifest() if guard.table == "review_breakglass"]
        guards.drop(connection, iter(off))
        try:
            assert BreakGlass.objects.filter(id=break_glass_id).update(**values) == 1
        finally:
            guards.install(connection)
