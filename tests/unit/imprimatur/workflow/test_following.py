"""Streams of events: the whole state first, then what moves, bounded, and never past its end."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from uuid import UUID

import pytest
from imprimatur.workflow import following
from imprimatur.workflow.following import Board, TooManyStreams, Watch

from generation.jobs.outlook import Place
from generation.jobs.progress import OrderProgress

JOB, OTHER_JOB = UUID(int=1), UUID(int=2)
PERSON, COLLEAGUE = UUID(int=11), UUID(int=12)


def order(version: str, state: str = "running", job_id: UUID = JOB) -> OrderProgress:
    return OrderProgress(job_id, state, (), version)


def watch(person_id: UUID = PERSON, job_id: UUID = JOB, told: str = "") -> Watch:
    return Watch(person_id, job_id, lambda now: {"version": now.version}, told)


class Orders:
    """What each look finds, one after the other; the last stays. An error is raised."""

    def __init__(self, *found: OrderProgress | Exception) -> None:
        self.found = list(found)
        self.asked: list[Collection[UUID]] = []

    def __call__(self, job_ids: Collection[UUID]) -> Mapping[UUID, OrderProgress]:
        self.asked.append(set(job_ids))
        now = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(now, Exception):
            raise now
        return {job_id: replace(now, job_id=job_id) for job_id in job_ids}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.001)


def followed(orders: Orders, told: str = "") -> list[str]:
    """Follow to the end, and return the events without their empty lines."""

    async def run() -> list[str]:
        board, mine = Board(orders), watch(told=told)
        board.join(mine)
        try:
            return [event.decode().strip() async for event in board.events(mine)]
        finally:
            board.leave(mine)

    return asyncio.run(run())


class TestEvents:
    def test_tell_what_moved_once_and_then_the_end(self) -> None:
        orders = Orders(order("a"), order("a"), order("b"), order("c", "done"))
        assert [event.splitlines()[0] for event in followed(orders)] == [
            "id: a",
            "id: b",
            "id: c",
            "event: end",
        ]

    def test_leave_out_what_was_told_before(self) -> None:
        assert followed(Orders(order("a"), order("a", "done")), told="a") == [
            "event: end\ndata: {}"
        ]

    def test_go_on_after_a_look_that_failed(self) -> None:
        orders = Orders(order("a"), OSError("away"), order("b", "done"))
        assert len(followed(orders)) == 3

    def test_give_a_sign_of_life_while_nothing_moves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(following, "HEARTBEAT_S", 0.0)
        events = followed(Orders(order("a"), order("a"), order("a", "done")), told="a")
        assert events[0] == ": nothing moved"

    def test_end_in_time_although_the_order_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(following, "STREAM_MOST_S", 0.01)
        assert not [event for event in followed(Orders(order("a"))) if "end" in event]


class TestLooking:
    def test_is_done_for_all_watchers_together_and_stops_with_the_last(self) -> None:
        orders = Orders(order("a"))
        board = Board(orders)

        async def read_one(each: Watch) -> bytes:
            events: AsyncIterator[bytes] = board.events(each)
            return await anext(events)

        async def run() -> None:
            both = [watch(), watch(COLLEAGUE, OTHER_JOB)]
            for each in both:
                board.join(each)
            await asyncio.gather(*(read_one(each) for each in both))
            looking = board._looking
            assert looking is not None
            for each in both:
                board.leave(each)
            await asyncio.wait_for(looking, 10)

        asyncio.run(run())
        assert set(map(frozenset, orders.asked)) == {frozenset({JOB, OTHER_JOB})}

    def test_begins_again_for_whoever_comes_later(self) -> None:
        board = Board(Orders(order("a")))

        async def once() -> bytes:
            mine = watch()
            board.join(mine)
            try:
                return await anext(board.events(mine))
            finally:
                board.leave(mine)

        async def run() -> list[bytes]:
            first = await once()
            await asyncio.sleep(0.05)
            return [first, await once()]

        first, later = asyncio.run(asyncio.wait_for(run(), 10))
        assert first == later


class TestBounds:
    def test_hold_for_one_person_and_leave_room_for_others(self) -> None:
        board = Board(Orders(order("a")))
        own = [watch() for _ in range(following.STREAMS_OF_ONE)]
        for each in own:
            board.join(each)
        with pytest.raises(TooManyStreams):
            board.join(watch(job_id=OTHER_JOB))
        board.join(watch(COLLEAGUE))
        board.leave(own[0])
        board.join(watch())

    def test_hold_for_a_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(following, "STREAMS_MOST", 1)
        board = Board(Orders(order("a")))
        board.join(watch())
        with pytest.raises(TooManyStreams):
            board.join(watch(COLLEAGUE))


class TestReason:
    def test_names_the_rule_and_nobody(self) -> None:
        said = following.reason(Place(3, others=3, share=0.25, was_passed=True))
        assert "3 other people wait; meanwhile 25 % of the worker's time is yours." in said
        assert "that has a limit" in said

    def test_is_empty_where_one_waits_alone(self) -> None:
        assert following.reason(Place(2)) == ""
