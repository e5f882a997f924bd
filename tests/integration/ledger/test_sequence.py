"""Sequencing: contiguous, once each, whatever dies and whoever else sequences."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from governance.kernel.errors import InvalidInput
from governance.ledger import merkle, selectors, services
from governance.ledger.errors import LogDamaged
from governance.ledger.models import Entry, Leaf, Pending, Tile
from tests.integration.ledger.log import NOW, unguarded, write


class PowerCut(Exception):
    """The process dies before this statement."""


def dying_before(statement: int) -> tuple[Callable[..., Any], list[str]]:
    """Return an execute wrapper that lets `statement` statements pass, and what it saw."""
    seen: list[str] = []

    def wrapper(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if len(seen) == statement:
            raise PowerCut
        seen.append(sql)
        return execute(sql, *rest)

    return wrapper, seen


def naive_root() -> bytes:
    edge = merkle.Frontier()
    for body in Leaf.objects.order_by("seq").values_list("entry__body", flat=True):
        edge.add(merkle.leaf_hash(bytes(body)))
    return edge.root()


@pytest.mark.django_db
class TestSequence:
    def test_gives_places_in_the_order_of_writing(self) -> None:
        written = write(5)
        assert services.sequence(now=NOW) == 5
        leaves = [selectors.find_leaf(entry_id) for entry_id in written]
        assert [leaf.seq for leaf in leaves if leaf] == [0, 1, 2, 3, 4]
        assert selectors.size_and_root() == (5, naive_root())
        assert not Pending.objects.exists()

    def test_continues_where_it_stopped(self) -> None:
        write(7)
        assert [services.sequence(now=NOW, limit=3) for _ in range(4)] == [3, 3, 1, 0]
        assert selectors.size_and_root() == (7, naive_root())
        assert services.fsck().is_sound

    def test_crosses_tiles(self) -> None:
        write(300)
        for limit in (255, 2, 43):
            assert services.sequence(now=NOW, limit=limit) == limit
        assert list(Tile.objects.order_by("level", "number").values_list("level", "number")) == [
            (0, 0),
            (0, 1),
            (1, 0),
        ]
        assert selectors.size_and_root() == (300, naive_root())
        assert services.fsck().problems == ()

    def test_of_nothing_is_one_query(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            assert services.sequence(now=NOW) == 0
        assert selectors.size_and_root() == (0, merkle.EMPTY_ROOT)

    def test_takes_as_many_statements_for_many_entries_as_for_few(
        self, django_assert_max_num_queries: Any
    ) -> None:
        write(200)
        with django_assert_max_num_queries(20):
            services.sequence(now=NOW)

    @pytest.mark.parametrize("limit", [0, 10_001])
    def test_refuses_a_batch_without_measure(self, limit: int) -> None:
        with pytest.raises(InvalidInput):
            services.sequence(now=NOW, limit=limit)

    def test_clears_an_inbox_row_of_an_entry_that_has_its_leaf(self) -> None:
        (entry_id,) = write(1)
        services.sequence(now=NOW)
        Pending.objects.create(entry_id=entry_id)
        assert services.sequence(now=NOW) == 0
        assert not Pending.objects.exists()
        assert Leaf.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestDying:
    def test_before_any_statement_changes_nothing_and_loses_nothing(self) -> None:
        write(258)
        services.sequence(now=NOW, limit=254)
        before = selectors.size_and_root()
        for statement in range(200):
            wrapper, seen = dying_before(statement)
            try:
                with connection.execute_wrapper(wrapper):
                    services.sequence(now=NOW)
            except PowerCut:
                assert selectors.size_and_root() == before
                assert Pending.objects.count() == 4
                assert Leaf.objects.count() == 254
            else:
                break
        assert len(seen) > 8
        assert list(Leaf.objects.order_by("seq").values_list("seq", flat=True)) == list(range(258))
        assert selectors.size_and_root() == (258, naive_root())
        assert services.fsck().problems == ()

    def test_without_the_transaction_would_be_seen(self) -> None:
        """Show that the test above can fail: the same death without atomicity loses the tree."""
        write(3)
        with unguarded():
            wrapper, _ = dying_before(6)
            original, transaction.atomic = transaction.atomic, _NoTransaction
            try:
                with pytest.raises(PowerCut), connection.execute_wrapper(wrapper):
                    services.sequence(now=NOW)
            finally:
                transaction.atomic = original
            assert Leaf.objects.count() != selectors.size_and_root()[0] or Tile.objects.exists()

    def test_of_a_tile_is_noticed(self) -> None:
        write(3)
        services.sequence(now=NOW)
        with unguarded():
            Tile.objects.filter(level=0, number=0).update(hashes=bytes(32))
        write(1)
        with pytest.raises(LogDamaged):
            services.sequence(now=NOW)
        assert Pending.objects.count() == 1


class _NoTransaction:
    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.django_db(transaction=True)
def test_writers_and_two_sequencers_at_once_leave_no_gap_and_no_double() -> None:
    failures: list[BaseException] = []

    def working(work: Callable[[], Any], times: int) -> None:
        try:
            for _ in range(times):
                work()
        except BaseException as error:  # noqa: BLE001 (reported by the assertion below)
            failures.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=working, args=(write, 20)),
        threading.Thread(target=working, args=(write, 20)),
        threading.Thread(target=working, args=(lambda: services.sequence(now=NOW, limit=7), 15)),
        threading.Thread(target=working, args=(lambda: services.sequence(now=NOW, limit=7), 15)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while services.sequence(now=NOW):
        pass
    assert failures == []
    assert list(Leaf.objects.order_by("seq").values_list("seq", flat=True)) == list(range(40))
    assert set(Leaf.objects.values_list("entry_id", flat=True)) == set(
        Entry.objects.values_list("id", flat=True)
    )
    assert services.fsck().problems == ()
