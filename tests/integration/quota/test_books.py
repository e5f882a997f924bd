"""The scheduled check: it reads only what moved, and says each difference once."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.kernel.ids import uuid7
from governance.ledger.models import Entry as LedgerEntry
from governance.quota import selectors, services
from governance.quota.models import Account
from governance.quota.records import Discrepancy
from governance.tables import guards
from tests import databases
from tests.factories.quota import NOW, Holders, holders

pytestmark = pytest.mark.django_db


@pytest.fixture
def held() -> Holders:
    return holders(user=50, brand=50, model=50)


@pytest.fixture
def marks(held: Holders) -> services.BookMarks:
    made = services.BookMarks()
    assert services.check_books(marks=made, now=NOW) == ()
    return made


def entries_read(marks: services.BookMarks) -> int:
    """Check the books and count the statements that read entries."""
    with CaptureQueriesContext(connection) as seen:
        assert services.check_books(marks=marks, now=NOW) == ()
    return sum('FROM "quota_entry"' in query["sql"] for query in seen)


class TestBalancedBooks:
    def test_leave_nothing_in_the_ledger(self, held: Holders, marks: services.BookMarks) -> None:
        item_id = uuid7()
        held.reserve(item_id, uuid7())
        services.settle(item_id=item_id, now=NOW, gpu_s=1.5)
        before = LedgerEntry.objects.count()
        assert services.check_books(marks=marks, now=NOW) == ()
        assert LedgerEntry.objects.count() == before

    def test_are_read_only_where_they_moved(self, held: Holders, marks: services.BookMarks) -> None:
        assert entries_read(marks) == 0
        held.reserve(uuid7())
        assert entries_read(marks) == 3
        held.grant("brand", 1)
        assert entries_read(marks) == 1
        assert entries_read(marks) == 0

    def test_are_read_whole_once_a_day(self, held: Holders, marks: services.BookMarks) -> None:
        marks.sums.clear()
        later = NOW + timedelta(days=1)
        assert services.check_books(marks=marks, now=later) == ()
        assert len(marks.sums) == 3
        assert marks.whole_at == later


@pytest.mark.django_db(transaction=True)
class TestBooksThatDiffer:
    def test_are_recorded_once_for_each_difference(
        self, held: Holders, marks: services.BookMarks
    ) -> None:
        account = Account.objects.get(holder_kind="brand")
        wrong = Discrepancy(account.id, "spent", 7, 0)
        with unguarded():
            Account.objects.filter(id=account.id).update(spent=7)
        for _ in range(2):
            assert services.check_books(marks=marks, now=NOW) == (wrong,)
        assert services.check_books(marks=services.BookMarks(), now=NOW) == (wrong,)
        said = LedgerEntry.objects.filter(event="quota.books.differ")
        # The second process knows nothing of what the first one said.
        assert [each.subject_id for each in said] == [account.id, account.id]
        databases.reset()

    def test_show_an_edited_entry_at_the_next_whole_look(
        self, held: Holders, marks: services.BookMarks
    ) -> None:
        with unguarded(), connection.cursor() as cursor:
            cursor.execute("UPDATE quota_entry SET amount = 51 WHERE kind = 'grant'")
        assert services.check_books(marks=marks, now=NOW) == ()
        found = services.check_books(marks=marks, now=NOW + timedelta(days=1))
        assert [(line.account_says, line.entries_say) for line in found] == [(50, 51)] * 3
        assert set(found) == set(selectors.check_books())
        databases.reset()


class unguarded:  # noqa: N801  read as a phrase
    """Take the quota's guards off, as the owner of the tables can, and put them back."""

    def __enter__(self) -> None:
        self._owner = databases.as_owner()
        self._owner.__enter__()
        guards.drop(connection)

    def __exit__(self, *error: object) -> None:
        guards.install(connection)
        self._owner.__exit__(None, None, None)
