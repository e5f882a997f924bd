"""Drives the gate's machine for long: random operations of every kind, and what got out.

- `python -m tests.benchmarks.gate --operations 100000 --seed 1` must find nothing out;
- `… --without GUARD` drops that guard first, and must find a way out: the negative control.

On PostgreSQL the SQL is written as the owner and as every role of an installation. It makes a
database of its own beside the one that is configured, and drops it.
"""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django

STEPS = 100
RUNS = 10


def main() -> int:
    """Do what the command line asks; exit 1 if it came out otherwise than it must."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", action="append", default=[])
    asked = parser.parse_args()
    django.setup()
    with scratch_database() as (roles, works_as), TemporaryDirectory() as folder:
        return drive(asked, world(Path(folder), roles, works_as))


def drive(asked: Namespace, world: Any) -> int:
    """Run the machine until it has done so much or found a way out, and print what it did."""
    from django.db import connection

    from governance.tables import guards
    from tests.promises.gate_machine import Violation

    unwanted = [guard for guard in guards.manifest() if guard.name in asked.without]
    if len(unwanted) != len(asked.without):
        raise SystemExit(f"no such guard among {asked.without}")
    become(world, owner=True)
    guards.drop(connection, iter(unwanted))
    become(world, owner=False)
    began, number, found = time.monotonic(), asked.seed, ""
    while world.counts["operations"] < asked.operations and not found:
        try:
            run(world, number)
        except (Violation, BaseExceptionGroup) as violation:
            # A group where what was found is not found again when it is played anew.
            found = str(violation)
        number += 1
        sys.stderr.write(f"\r{world.counts['operations']} operations")
    took_s = time.monotonic() - began
    for deed, count in sorted(world.counts.items()):
        sys.stdout.write(f"{count:>8}  {deed}\n")
    sys.stdout.write(f"roles: {', '.join(filter(None, world.roles)) or 'one'}\n")
    sys.stdout.write(f"{world.counts['operations']} operations in {took_s:.0f} s; ")
    sys.stdout.write(f"found: {found or 'nothing out without a decision'}\n")
    return int(bool(found) != bool(unwanted))


def run(world: Any, number: int) -> None:
    """Run the machine once with a seed, without looking for a smaller example."""
    from hypothesis import HealthCheck, Phase, seed, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.promises.gate_machine import Gate

    run_state_machine_as_test(
        seed(number)(type("Gate", (Gate,), {"world": world})),
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def world(folder: Path, roles: list[str], works_as: str) -> Any:
    """Make the machine's world in a folder of its own."""
    import logging

    from django.conf import settings

    from tests.factories import review as make
    from tests.promises.gate_machine import World

    # What is refused here is refused a hundred thousand times.
    logging.disable(logging.CRITICAL)
    settings.DESTINATION_ROOTS = [(folder / "published").resolve()]
    make.use_sealing_key(settings, folder)
    store = {"location": str(folder / "blobs")}
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {"BACKEND": "generation.assets.files.WholeFileStorage", "OPTIONS": store},
    }
    return World(folder, roles=roles, works_as=works_as)


@contextmanager
def scratch_database() -> Iterator[tuple[list[str], str]]:
    """Make a database with its roles, work as the application, and drop it."""
    from django.db import connection
    from django.test.utils import setup_test_environment

    from tests import databases

    setup_test_environment()
    name = connection.settings_dict["NAME"]
    if connection.vendor == "postgresql":
        # Making and dropping a database takes as long as it takes.
        connection.settings_dict["OPTIONS"]["options"] = "-c statement_timeout=0"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield logins()
    finally:
        connection.close()
        databases.end_other_sessions()
        connection.creation.destroy_test_db(name, verbosity=0)


def logins() -> tuple[list[str], str]:
    """Make a login of each role; the session, a superuser's, becomes one after the other."""
    from django.db import connection

    from governance.tables import roles
    from tests import databases

    if connection.vendor != "postgresql":
        return [""], ""
    all_of_them = "imprimatur_test_app"
    held = {all_of_them: roles.WRITING, **{roles.login(one): {one} for one in roles.DatabaseRole}}
    with connection.cursor() as cursor:
        for name, of in held.items():
            databases.make_login(name, databases.ROLE_PASSWORD)
            for statement in roles.statements(connection, name, of):
                cursor.execute(statement)
        cursor.execute(f"SET ROLE {all_of_them}")
    return [*held, str(connection.settings_dict["USER"])], all_of_them


def become(world: Any, *, owner: bool) -> None:
    """Become the owner, who may drop a guard, or the application again."""
    from django.db import connection

    if world.works_as:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE" if owner else f"SET ROLE {world.works_as}")


if __name__ == "__main__":
    sys.exit(main())
