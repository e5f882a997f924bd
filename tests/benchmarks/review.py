"""Measures the review queue: the next case for a reviewer while 1,000 to 100,000 cases are open.

`python -m tests.benchmarks.review` fills one brand with open cases that all ask the reviewer, in
SQL and without the guards, for speed; then it puts the guards back and measures, with the real
services, what a reviewer does. It prints each figure with its ratio to the smallest queue, and the
plan of the query. Needs PostgreSQL; it makes a database of its own beside the one that is
configured, and drops it.
"""

import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import django

from tests.benchmarks.quota import scratch_database

SIZES = (1_000, 10_000, 100_000)
CALLS = 200
PAGE = 25
# Cases at the head of the queue that others look at, so that the walk has to pass them.
CLAIMED = 20

_FILL = (
    (
        "INSERT INTO review_subject (id, created_at, kind, sha256, brand_id) "
        "SELECT gen_random_uuid(), %(now)s, 'asset', md5(g::text) || md5(g::text), %(brand)s "
        "FROM generate_series(%(first)s, %(last)s) g"
    ),
    (
        "INSERT INTO review_contribution (id, created_at, subject_id, actor_id, part) "
        "SELECT gen_random_uuid(), %(now)s, s.id, %(requester)s, 'requester' FROM review_subject s "
        "WHERE s.kind = 'asset' AND NOT EXISTS (SELECT 1 FROM review_contribution c "
        "WHERE c.subject_id = s.id)"
    ),
    # The reviewer had a part in one of a hundred.
    (
        "INSERT INTO review_contribution (id, created_at, subject_id, actor_id, part) "
        "SELECT gen_random_uuid(), %(now)s, s.id, %(reviewer)s, 'editor' FROM review_subject s "
        "WHERE s.kind = 'asset' AND hashtext(s.id::text) %% 100 = 0 AND NOT EXISTS ("
        "SELECT 1 FROM review_case k WHERE k.subject_id = s.id)"
    ),
    (
        "INSERT INTO review_case (id, created_at, subject_id, sha256, brand_id, policy_id, pins, "
        "state, stage_position, title, requested_by, risk, market) "
        "SELECT gen_random_uuid(), %(now)s, s.id, s.sha256, s.brand_id, %(policy)s, '{}', "
        "'open', 1, 'Image', %(requester)s, abs(hashtext(s.id::text)) %% 101, '' "
        "FROM review_subject s WHERE s.kind = 'asset' AND NOT EXISTS ("
        "SELECT 1 FROM review_case k WHERE k.subject_id = s.id)"
    ),
    (
        "INSERT INTO review_turn (id, created_at, case_id, stage_id, due_at, escalations) "
        "SELECT gen_random_uuid(), %(now)s, k.id, %(stage)s, "
        "%(now)s + make_interval(mins => abs(hashtext(k.id::text)) %% 10000), 0 FROM review_case k "
        "WHERE k.policy_id = %(policy)s AND NOT EXISTS ("
        "SELECT 1 FROM review_turn t WHERE t.case_id = k.id)"
    ),
    (
        "INSERT INTO review_seat (id, created_at, turn_id, brand_id, audience, risk, due_at) "
        "SELECT gen_random_uuid(), %(now)s, t.id, k.brand_id, 'role:brand_reviewer', k.risk, "
        "t.due_at FROM review_turn t JOIN review_case k ON k.id = t.case_id "
        "WHERE t.stage_id = %(stage)s AND NOT EXISTS ("
        "SELECT 1 FROM review_seat p WHERE p.turn_id = t.id)"
    ),
)


def main() -> None:
    """Fill, measure and print, one size of the queue after the other."""
    asked = arguments()
    django.setup()
    from django.db import connection

    if connection.vendor != "postgresql":
        sys.exit("this measures PostgreSQL: set DATABASE_URL")
    with scratch_database():
        measure(asked.sizes)


def arguments() -> Any:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    return parser.parse_args()


def measure(sizes: list[int]) -> None:
    """Print the figures of every size, then the plan at the last."""
    from django.conf import settings

    from governance.kernel.roles import Role
    from governance.review.records import StageSpec
    from tests.factories import review as make

    folder = Path(mkdtemp())
    make.use_sealing_key(settings, folder)
    team = make.Team()
    policy = make.approved_policy(team, stages=[StageSpec("Brand", Role.BRAND_REVIEWER)])
    # A reviewer of several roles: each is one more walk through the index.
    reviewer = make.person(team.brand_id, Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER)
    base: dict[str, float] = {}
    filled = 0
    for size in sizes:
        fill(team, reviewer, policy, filled + 1, size)
        filled = size
        claim_first(team)
        for name, act in acts(reviewer).items():
            typical, worst = percentiles(act)
            base.setdefault(name, worst)
            say(
                f"{size} open: {name}: median {typical:.2f} ms, p95 {worst:.2f} ms, "
                f"ratio of p95 {worst / base[name]:.2f}"
            )
    say(plan(reviewer))


def fill(team: Any, reviewer: Any, policy: Any, first: int, last: int) -> None:
    """Add open cases in SQL, as the owner, with the guards off; then put them back."""
    from django.db import connection

    from governance.tables import guards
    from tests import databases
    from tests.factories.review import NOW

    values = {
        "now": NOW,
        "brand": team.brand_id,
        "requester": team.requester.id,
        "reviewer": reviewer.id,
        "policy": policy.id,
        "stage": policy.stages[0].id,
        "first": first,
        "last": last,
    }
    with databases.as_owner():
        guards.drop(connection)
        with connection.cursor() as cursor:
            for statement in _FILL:
                cursor.execute(statement, values)
        guards.install(connection)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def claim_first(team: Any) -> None:
    """Let others look at the head of the queue, one person at each case."""
    from governance.kernel.roles import Role
    from governance.review import services
    from tests.factories import review as make

    for _ in range(CLAIMED):
        other = make.person(team.brand_id, Role.BRAND_REVIEWER)
        services.claim_next(actor=other, now=make.NOW)


def acts(reviewer: Any) -> dict[str, Callable[[], Any]]:
    """Return what is measured, by name."""
    from governance.review import selectors, services
    from tests.factories.review import NOW

    deep = selectors.waiting_for(reviewer, limit=selectors.MAX_PAGE)[-1]
    return {
        "find the next case": lambda: selectors.waiting_for(reviewer, unclaimed=True),
        "show the next case": lambda: selectors.next_case(reviewer),
        "claim the next case": lambda: services.claim_next(actor=reviewer, now=NOW),
        "the first page of the queue": lambda: selectors.list_cases(
            reviewer, decidable=True, limit=PAGE
        ),
        "a page further down": lambda: selectors.list_cases(
            reviewer, decidable=True, after=deep, limit=PAGE
        ),
    }


def percentiles(act: Callable[[], Any]) -> tuple[float, float]:
    """Return the median and the 95th percentile of an act's milliseconds."""
    act()
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


def plan(reviewer: Any) -> str:
    """Return how PostgreSQL finds the next case, longest of its walks."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from governance.review import selectors

    with CaptureQueriesContext(connection) as captured:
        selectors.waiting_for(reviewer, unclaimed=True)
    (walk,) = [q["sql"] for q in captured if "role:brand_reviewer" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {walk}")
        return "\n".join(line for (line,) in cursor.fetchall())


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
