"""Promise 5: quota is never overspent, never lost on a crash, and the books always balance."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.quota import guards as quota_guards
from governance.quota import selectors, services
from governance.quota.models import Account, Entry
from governance.tables import guards
from tests import databases
from tests.factories.quota import NOW, Holders, holders
from tests.promises import crowd

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
INSERT = (
    "INSERT INTO quota_entry (id, created_at, account_id, number, item_id, kind, amount, "
    "granted_by, recorded_as) VALUES ({id}, '2026-11-20 12:00:00+00:00', {account}, {number}, "
    "{item}, '{kind}', {amount}, {granted_by}, {recorded_as})"
)


class Books:
    """A person's account with 10 granted, 3 reserved (one item of 2, one of 1) and 1 spent."""

    def __init__(self) -> None:
        self.held = holders()
        self.open_item, self.other_item, self.settled_item = uuid7(), uuid7(), uuid7()
        with transaction.atomic():
            self.held.reserve(self.open_item, cost=2)
            self.held.reserve(self.other_item)
            self.held.reserve(self.settled_item)
        services.settle(item_id=self.settled_item, now=NOW)
        self.account = Account.objects.get(holder_kind="user")

    def words(self) -> dict[str, object]:
        """Return what the attacks may name, as SQL."""
        account = self.account
        return {
            "account": literal(account.id),
            "brand": literal(self.held.brand_id),
            "open_item": literal(self.open_item),
            "settled_item": literal(self.settled_item),
            "admin": literal(self.held.admin.id),
            "user": literal(account.holder_id),
            "grant_record": literal(Entry.objects.get(account=account, kind="grant").recorded_as),
            "fresh": literal(uuid7()),
            "stranger": literal(uuid7()),
            "next": account.entries + 1,
            "entries": account.entries,
        }

    def state(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return everything the books say."""
        return (
            list(Account.objects.order_by("id").values()),
            list(Entry.objects.order_by("id").values()),
        )


def literal(value: object) -> str:
    return f"'{value.hex}'"


def entry(
    kind: str,
    *,
    amount: int = 1,
    item: str = "{fresh}",
    number: str = "{next}",
    account: str = "{account}",
    **more: object,
) -> str:
    """Write the INSERT of one entry, in the attacks' words."""
    given = {"granted_by": "NULL", "recorded_as": "NULL", "id": "{stranger}"} | more
    return INSERT.format(
        kind=kind, amount=amount, item=item, number=number, account=account, **given
    )


def execute(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Work as the owner without these guards; then empty the tables and put the guards back."""
    taken = [guard for guard in quota_guards.GUARDS if guard.name in names]
    assert len(taken) == len(names), names
    try:
        with databases.as_owner():
            guards.drop(connection, iter(taken))
            yield
    finally:
        databases.reset()
        with databases.as_owner():
            guards.install(connection)
    assert guards.missing(connection) == []


FOLLOWS = "quota_account_follows_entries"
MOVES = "quota_entry_moves_account"
# What is attempted, by which guards it is refused, and in whose words (None: both databases).
ATTACKS = {
    "raise the grant": (
        "UPDATE quota_account SET granted = granted + 1000 WHERE id = {account}",
        [FOLLOWS],
    ),
    "forget what was spent": ("UPDATE quota_account SET spent = 0 WHERE id = {account}", [FOLLOWS]),
    "forget what is reserved": (
        "UPDATE quota_account SET reserved = 0 WHERE id = {account}",
        [FOLLOWS],
    ),
    "raise the grant and the number": (
        (
            "UPDATE quota_account SET granted = granted + 1000, entries = entries + 1 "
            "WHERE id = {account}"
        ),
        [FOLLOWS],
    ),
    "walk back to an earlier entry": (
        (
            "UPDATE quota_account SET entries = entries - 1, spent = spent - 1, "
            "reserved = reserved + 1 WHERE id = {account}"
        ),
        [FOLLOWS],
    ),
    "move an account to another holder": (
        "UPDATE quota_account SET holder_id = {stranger} WHERE id = {account}",
        ["quota_account_frozen"],
    ),
    "move an account to another month": (
        "UPDATE quota_account SET period = '2026-12' WHERE id = {account}",
        ["quota_account_frozen"],
    ),
    "delete an account without entries": (
        "DELETE FROM quota_account WHERE holder_id = {stranger}",
        ["quota_account_never_deleted"],
    ),
    "open a full account": (
        (
            "INSERT INTO quota_account (id, created_at, holder_kind, holder_id, brand_id, unit, "
            "period, granted, reserved, spent, entries) VALUES ({fresh}, "
            "'2026-11-20 12:00:00+00:00', 'user', {fresh}, {brand}, 'image', '2026-11', "
            "1000, 0, 0, 0)"
        ),
        ["quota_account_opens_empty"],
    ),
    "edit an entry": (
        "UPDATE quota_entry SET amount = 1000 WHERE kind = 'grant'",
        ["quota_entry_append_only"],
    ),
    "delete an entry": (
        "DELETE FROM quota_entry WHERE kind = 'settle'",
        ["quota_entry_append_only"],
    ),
    "upsert an entry": (
        entry("refund", item="{open_item}", amount=2, number="1")
        + " ON CONFLICT (account_id, number) DO UPDATE SET amount = 1000",
        ["quota_entry_append_only", "quota_entry_fits", "quota_entry_once"],
    ),
    "settle what was never reserved": (entry("settle"), ["quota_entry_closes_a_reserve"]),
    "refund more than was reserved": (
        entry("refund", item="{open_item}", amount=3),
        ["quota_entry_closes_a_reserve"],
    ),
    "settle less than was reserved": (
        entry("settle", item="{open_item}", amount=1),
        ["quota_entry_closes_a_reserve"],
    ),
    "grant without a record": (
        entry("grant", item="NULL", granted_by="{admin}", recorded_as="{fresh}", amount=1000),
        ["quota_entry_grant_recorded"],
    ),
    "grant to oneself": (
        entry("grant", item="NULL", granted_by="{user}", recorded_as="{own_record}", amount=1000),
        ["quota_entry_grant_by_another"],
    ),
    "add an entry for no account": (
        entry("reserve", account="{stranger}", number="1"),
        ["quota_entry_account_id_bound", "quota_entry_fits"],
    ),
}
SQLITE_ATTACKS = {
    "overspend by ignoring": (
        entry("reserve", amount=1000).replace("INSERT", "INSERT OR IGNORE"),
        ["quota_entry_fits"],
    ),
    "replace an item's reserve": (
        entry("reserve", item="{open_item}", amount=1).replace("INSERT", "REPLACE"),
        ["quota_entry_once"],
    ),
    "replace a settle by a refund": (
        entry("refund", item="{settled_item}", amount=1).replace("INSERT", "REPLACE"),
        ["quota_entry_once"],
    ),
    "replace an account": (
        (
            "REPLACE INTO quota_account (id, created_at, holder_kind, holder_id, brand_id, unit, "
            "period, granted, reserved, spent, entries) SELECT {fresh}, created_at, holder_kind, "
            "holder_id, brand_id, unit, period, 0, 0, 0, 0 FROM quota_account WHERE id = {account}"
        ),
        # A key whose parent vanishes in a REPLACE is not asked; only this guard is.
        ["quota_account_once"],
    ),
    "replace an account by its key": (
        (
            "REPLACE INTO quota_account (id, created_at, holder_kind, holder_id, brand_id, unit, "
            "period, granted, reserved, spent, entries) SELECT id, created_at, holder_kind, "
            "{stranger}, brand_id, unit, period, 0, 0, 0, 0 FROM quota_account WHERE id = {account}"
        ),
        ["quota_account_never_deleted"],
    ),
}
POSTGRESQL_ATTACKS = {
    "empty the books": (
        "TRUNCATE quota_entry, quota_account",
        ["quota_entry_append_only", "quota_account_never_deleted"],
    ),
}


def attack(sql: str, fences: list[str]) -> None:
    """Show that `sql` is refused and changes nothing; then that it succeeds without its fences."""
    books = Books()
    words = books.words()
    with transaction.atomic():
        own = ledger.append(
            actor=Actor(books.account.holder_id, is_platform_admin=True),
            event="quota.account.granted",
            subject=SubjectRef("quota_account", books.account.id),
            now=NOW,
        )
        Account.objects.create(
            created_at=NOW,
            holder_kind="model",
            holder_id=words["stranger"].strip("'"),
            period="2026-11",
        )
    sql = sql.format(**words, own_record=literal(own))
    before = books.state()
    with pytest.raises(DatabaseError), transaction.atomic():
        execute(sql)
    assert books.state() == before
    assert selectors.check_books() == []
    present = {guard.name for guard in quota_guards.GUARDS if guard.pieces(connection.vendor)}
    with without(*(name for name in fences if name in present)):
        execute(sql)
        assert books.state() != before


class TestAttacks:
    @pytest.mark.parametrize("name", ATTACKS)
    def test_are_refused_and_only_the_guard_refuses_them(self, name: str) -> None:
        attack(*ATTACKS[name])

    @pytest.mark.parametrize("name", SQLITE_ATTACKS)
    def test_through_sqlites_conflict_clauses_are_refused(self, name: str) -> None:
        if connection.vendor != "sqlite":
            pytest.skip("only SQLite has these clauses")
        attack(*SQLITE_ATTACKS[name])

    @pytest.mark.postgresql
    @pytest.mark.parametrize("name", POSTGRESQL_ATTACKS)
    def test_through_truncation_are_refused(self, name: str) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("only PostgreSQL truncates")
        attack(*POSTGRESQL_ATTACKS[name])

    @pytest.mark.parametrize(
        ("unlawful", "lawful"),
        [
            (entry("reserve", amount=7), entry("reserve", amount=6)),
            (entry("reserve", amount=0), entry("reserve", amount=1)),
            (entry("reserve", amount=-1), entry("reserve", amount=1)),
            (entry("reserve", number="{next} + 1"), entry("reserve", number="{next}")),
            (entry("reserve", number="{entries}"), entry("reserve", number="{next}")),
            (entry("reserve", item="NULL"), entry("reserve")),
            (entry("reserve", item="{open_item}"), entry("reserve")),
            (
                entry("refund", item="{settled_item}"),
                entry("refund", item="{open_item}", amount=2),
            ),
            (
                entry("settle", item="{settled_item}"),
                entry("settle", item="{open_item}", amount=2),
            ),
            (
                entry("grant", item="NULL", granted_by="{admin}", recorded_as="{grant_record}"),
                entry("reserve"),
            ),
            (entry("gift"), entry("reserve")),
            (entry("reserve", granted_by="{admin}"), entry("reserve")),
        ],
    )
    def test_against_a_constraint_fail_where_their_lawful_twin_passes(
        self, unlawful: str, lawful: str
    ) -> None:
        books = Books()
        words = books.words()
        before = books.state()
        with pytest.raises(DatabaseError), transaction.atomic():
            execute(unlawful.format(**words))
        assert books.state() == before
        assert execute(lawful.format(**words)) == 1
        assert books.state() != before
        assert selectors.check_books() == []

    @pytest.mark.postgresql
    def test_with_a_temporary_table_in_the_way_are_refused(self) -> None:
        """A temporary table is found before the real one, unless the guards say where to look."""
        if connection.vendor != "postgresql":
            pytest.skip("only PostgreSQL looks up tables by a path")
        books = Books()
        before = books.state()

        def shadow() -> None:
            with transaction.atomic():
                execute("CREATE TEMP TABLE quota_entry (LIKE public.quota_entry) ON COMMIT DROP")
                execute(
                    "INSERT INTO pg_temp.quota_entry SELECT * FROM public.quota_entry "
                    "WHERE kind = 'grant'"
                )
                execute(
                    "UPDATE pg_temp.quota_entry SET amount = 1000, "
                    f"number = {books.account.entries + 1}"
                )
                execute(
                    "UPDATE public.quota_account SET granted = granted + 1000, "
                    f"entries = entries + 1 WHERE id = {literal(books.account.id)}"
                )

        with pytest.raises(DatabaseError, match="permission denied to create temporary tables"):
            shadow()
        try:
            with temporary_tables_allowed():
                with pytest.raises(DatabaseError, match="moves only by its next entry"):
                    shadow()
                assert books.state() == before
                with databases.as_owner():
                    execute(f"ALTER FUNCTION {FOLLOWS}_fn() RESET search_path")
                assert guards.missing(connection) == [FOLLOWS]
                shadow()
                assert books.state() != before
        finally:
            databases.reset()
            with databases.as_owner():
                guards.install(connection)
        assert guards.missing(connection) == []

    @pytest.mark.postgresql
    def test_from_within_another_trigger_are_refused(self) -> None:
        """A rule that trusted the depth of triggers would let this one through."""
        if connection.vendor != "postgresql":
            pytest.skip("SQLite's temporary triggers are its own")
        books = Books()
        before = books.state()

        def pull() -> None:
            with transaction.atomic():
                execute("CREATE TEMP TABLE lever (n int) ON COMMIT DROP")
                execute(
                    "CREATE FUNCTION pg_temp.pull() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                    "UPDATE public.quota_account SET granted = granted + 1000; RETURN NEW; END$$"
                )
                execute(
                    "CREATE TRIGGER lever BEFORE INSERT ON lever FOR EACH ROW "
                    "EXECUTE FUNCTION pg_temp.pull()"
                )
                execute("INSERT INTO lever VALUES (1)")

        with (
            temporary_tables_allowed(),
            pytest.raises(DatabaseError, match="moves only by its next entry"),
        ):
            pull()
        assert books.state() == before


@contextmanager
def temporary_tables_allowed() -> Iterator[None]:
    """Take the first fence away, the right to temporary tables, to see the second one stand."""
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    with databases.as_owner():
        execute(f"GRANT TEMPORARY ON DATABASE {database} TO PUBLIC")
    try:
        yield
    finally:
        with databases.as_owner():
            execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")


class TestBooks:
    def test_would_show_an_entry_without_its_balance(self) -> None:
        """The negative control of every test here that asks whether the books balance."""
        held = holders()
        with without(MOVES):
            with transaction.atomic():
                held.reserve(uuid7())
            found = {
                (line.figure, line.account_says, line.entries_say)
                for line in selectors.check_books()
            }
        assert found == {("reserved", 0, 1), ("entries", 1, 2), ("last", 1, 2)}

    def test_would_show_a_balance_without_its_entry(self) -> None:
        holders()
        with without(FOLLOWS):
            execute("UPDATE quota_account SET granted = granted + 1 WHERE holder_kind = 'brand'")
            found = [
                (line.figure, line.account_says, line.entries_say)
                for line in selectors.check_books()
            ]
        assert found == [("granted", 11, 10)]


def start(
    held: Holders,
    *,
    method: str = "reserve",
    attempts: int = 100,
    limit: int = 0,
    refunds: bool = False,
) -> subprocess.Popen[str]:
    return crowd.start(
        method=method,
        attempts=attempts,
        limit=limit,
        refunds=refunds,
        user_ids=[str(held.user_id)],
        brand_id=str(held.brand_id),
        profile_id=str(held.profile_id),
    )


def collect(processes: list[subprocess.Popen[str]]) -> list[int]:
    got = []
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        got.append(int(output.split()[-1]))
    return got


@contextmanager
def without_arbiters() -> Iterator[None]:
    """Take away what the database says about overspending, and put it back into empty tables."""
    with databases.as_owner():
        crowd.drop_arbiters()
    try:
        yield
    finally:
        databases.reset()
        with databases.as_owner():
            crowd.restore_arbiters()
    assert guards.missing(connection) == []


@pytest.mark.processes
class TestProcesses:
    def test_fill_the_account_to_exactly_its_limit(self) -> None:
        held = holders(user=60, brand=1000, model=1000)
        processes = [start(held, attempts=60) for _ in range(4)]
        crowd.let_go(processes)
        got = collect(processes)
        account = held.balance("user")
        assert sum(got) == 60 == account.reserved + account.spent
        assert account.spent > 0
        assert selectors.check_books() == []

    def test_keep_the_books_balanced_when_one_is_killed(self) -> None:
        held = holders(user=80, brand=1000, model=1000)
        processes = [start(held, attempts=120, refunds=True) for _ in range(4)]
        victim, *survivors = processes
        crowd.let_go(processes)
        while Entry.objects.count() < 30:
            assert victim.poll() is None
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        collect(survivors)
        account = held.balance("user")
        assert victim.returncode == -signal.SIGKILL
        assert account.reserved + account.spent == 80 == account.granted
        assert selectors.check_books() == []

    def test_hold_with_several_killed_and_the_books_checked_beside_them(self) -> None:
        done = crowd.Crowd(room=120).run(attempts=600, processes=4, kill_every_s=1.0)
        assert done.is_sound, done
        assert done.used == done.granted == 120
        assert done.kills > 0
        assert done.looks > 3

    @pytest.mark.postgresql
    def test_overspend_without_lock_and_guards_and_the_checker_sees_it(self) -> None:
        """The negative control: a service that forgets its lock is held by the database alone."""
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer at a time, so even this cannot overspend there")
        held = crowd.Crowd(room=30).run(attempts=240, processes=4, method="unlocked")
        assert held.is_sound, held
        databases.reset()
        with without_arbiters():
            loose = crowd.Crowd(room=30).run(attempts=240, processes=4, method="unlocked")
        assert loose.overspent, "no race without an arbiter: the control shows nothing"
        assert any("brand" in line for line in loose.found)

    @pytest.mark.postgresql
    def test_overspend_if_they_check_and_then_insert(self) -> None:
        """The negative control: the same processes, without the conditional update."""
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer at a time, so even this cannot overspend there")
        held = Holders()
        with databases.as_owner():
            execute("CREATE TABLE careless_entry (amount int)")
            execute("GRANT ALL ON careless_entry TO PUBLIC")
        try:
            for _ in range(5):
                processes = [
                    start(held, method="check_then_insert", attempts=60, limit=60) for _ in range(4)
                ]
                crowd.let_go(processes)
                if sum(collect(processes)) > 60:
                    break
                execute("DELETE FROM careless_entry")
            else:
                pytest.fail("five races without an overspend: the control shows nothing")
        finally:
            with databases.as_owner():
                execute("DROP TABLE careless_entry")
