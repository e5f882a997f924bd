"""Fairness as arithmetic: who waits how long, whatever the others do and whatever is warm."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.jobs import turns
from generation.jobs.turns import LEAD_IMAGES, PASSED_MOST, Account, Turn, Waiting

QUEUE = "queue"


@dataclass
class Lane:
    """One lane of a queue, and how many of its images wait."""

    brand: str
    person: str
    model: str = "model"
    priority: int = 2
    cost_s: float = 1.0
    images: int = 10**6


@dataclass
class Queue:
    """A queue's accounts and clocks, kept as the tables keep them."""

    lanes: list[Lane]
    weights: dict[str, float] = field(default_factory=dict)
    had_s: Counter[str] = field(default_factory=Counter)
    clocks: Counter[str] = field(default_factory=Counter)
    passed: Counter[int] = field(default_factory=Counter)
    served: list[int] = field(default_factory=list)

    def turn(self, warm: tuple[str, ...] = ()) -> Turn | None:
        """Serve one image."""
        turn = turns.choose(self.waiting(), warm)
        if turn is None:
            return None
        number = turn.lane.lane_id.int
        lane = self.lanes[number]
        lane.images -= 1
        self.served.append(number)
        for name, account in zip(
            self.names(number), (turn.lane.brand, turn.lane.person, turn.lane.lane), strict=True
        ):
            self.had_s[name] = turns.charge(account, lane.cost_s)
        brand, person, _own = self.names(number)
        for name, clock_s in (
            (QUEUE, turn.queue_clock_s),
            (brand, turn.brand_clock_s),
            (person, turn.person_clock_s),
        ):
            self.clocks[name] = max(self.clocks[name], clock_s)
        self.passed[number] = 0
        if turn.is_warm:
            self.passed[turn.due.lane_id.int] += 1
        return turn

    def waiting(self) -> list[Waiting]:
        """Return the lanes in which images wait."""
        found = []
        for number, lane in enumerate(self.lanes):
            if lane.images <= 0:
                continue
            names = self.names(number)
            brand, person, own = (
                Account(
                    id=UUID(int=sum(name.encode())),
                    had_s=max(self.had_s[name], self.clocks[above]),
                    weight=self.weights.get(name, 1.0),
                )
                for name, above in zip(names, (QUEUE, *names), strict=False)
            )
            found.append(
                Waiting(
                    lane_id=UUID(int=number),
                    brand=brand,
                    person=person,
                    lane=own,
                    priority=lane.priority,
                    model=lane.model,
                    holds=f"{lane.model} alone",
                    cost_s=lane.cost_s,
                    passed=self.passed[number],
                )
            )
        return found

    def names(self, number: int) -> tuple[str, str, str]:
        """Name a lane's accounts."""
        lane = self.lanes[number]
        brand = f"b{lane.brand}"
        return brand, f"{brand}/{lane.person}", f"{brand}/{lane.person}/{number}~"

    def seconds(self, number: int) -> float:
        """Return what a lane was given."""
        return self.served.count(number) * self.lanes[number].cost_s


def jain(shares: list[float]) -> float:
    """Return Jain's index: 1 where all have the same. Source: DEC-TR-301, 1984."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


class TestChoose:
    def test_finds_nobody_in_an_empty_queue(self) -> None:
        assert turns.choose([]) is None

    def test_lets_four_images_go_between_ten_thousand(self) -> None:
        queue = Queue([Lane("a", "p", images=10_000)])
        for _ in range(500):
            queue.turn()
        queue.lanes.append(Lane("a", "q", images=4))
        for _ in range(8):
            queue.turn()
        assert queue.served[-8:].count(1) == 4

    def test_owes_nothing_for_a_pause(self) -> None:
        queue = Queue([Lane("a", "p"), Lane("a", "q", images=0)])
        for _ in range(100):
            queue.turn()
        queue.lanes[1].images = 50
        for _ in range(20):
            queue.turn()
        assert queue.served[-20:].count(1) == pytest.approx(10, abs=1)

    def test_gives_brands_the_same_however_many_people_they_have(self) -> None:
        queue = Queue([*(Lane("a", f"p{number}") for number in range(9)), Lane("b", "q")])
        for _ in range(180):
            queue.turn()
        assert queue.served.count(9) == pytest.approx(90, abs=1)
        assert jain([queue.seconds(number) for number in range(9)]) > 0.99

    def test_counts_seconds_and_not_images(self) -> None:
        queue = Queue([Lane("a", "p", cost_s=10.0), Lane("a", "q", cost_s=1.0)])
        for _ in range(110):
            queue.turn()
        assert queue.seconds(0) == pytest.approx(queue.seconds(1), abs=10)

    def test_gives_who_weighs_more_that_much_more(self) -> None:
        queue = Queue([Lane("a", "p"), Lane("b", "q")], weights={"ba": 3.0})
        for _ in range(80):
            queue.turn()
        assert queue.served.count(0) == pytest.approx(60, abs=1)

    def test_puts_ones_own_most_urgent_work_first_and_nobody_elses_behind_it(self) -> None:
        queue = Queue(
            [
                Lane("a", "p", priority=3),
                Lane("a", "p", priority=1, images=3, model="other"),
                Lane("a", "q"),
            ]
        )
        for _ in range(10):
            queue.turn()
        own = [number for number in queue.served if number != 2]
        assert own == [1, 1, 1, 0, 0]
        assert queue.served.count(2) == 5


class TestAWarmModel:
    def test_goes_first_and_says_so(self) -> None:
        queue = Queue([Lane("a", "p", "cold"), Lane("a", "q", "warm")])
        turn = queue.turn(("warm",))
        assert turn.lane.model == "warm"
        assert turn.is_warm
        assert turn.due.model == "cold"

    def test_is_preferred_with_what_it_wears(self) -> None:
        one, other = Queue([Lane("a", "p", "m"), Lane("a", "q", "m")]).waiting()
        dressed = Waiting(
            **{name: getattr(other, name) for name in other.__slots__} | {"holds": "d"}
        )
        assert turns.choose([one, dressed], ("m", "d")).lane.holds == "d"

    def test_never_goes_before_ones_own_more_urgent_work(self) -> None:
        queue = Queue([Lane("a", "p", "cold", priority=1), Lane("a", "p", "warm", priority=2)])
        assert queue.turn(("warm",)).lane.model == "cold"

    def test_stays_for_a_while_and_not_for_ever(self) -> None:
        queue = Queue([Lane("a", "p", "one"), Lane("a", "q", "other")])
        warm: tuple[str, ...] = ()
        for _ in range(400):
            warm = (queue.turn(warm).lane.model,)
        swaps = sum(a != b for a, b in zip(queue.served, queue.served[1:], strict=False))
        assert swaps <= 400 / LEAD_IMAGES
        assert queue.served.count(0) == pytest.approx(200, abs=LEAD_IMAGES + 1)


class TestForecast:
    def test_says_the_order_that_then_comes(self) -> None:
        queue = Queue([Lane("a", "p"), Lane("a", "q", cost_s=2.0), Lane("b", "r")])
        queue.turn()
        said = [lane.lane_id.int for lane in islice(turns.forecast(queue.waiting()), 12)]
        for _ in range(12):
            queue.turn()
        assert queue.served[1:] == said

    def test_is_empty_where_nobody_waits(self) -> None:
        assert list(turns.forecast([])) == []


LANES = st.lists(
    st.builds(
        Lane,
        brand=st.sampled_from("abc"),
        person=st.sampled_from("pqrs"),
        model=st.sampled_from(["one", "two", "three"]),
        priority=st.just(2),
        cost_s=st.sampled_from([0.5, 1.0, 4.0]),
        images=st.just(10**6),
    ),
    min_size=2,
    max_size=8,
)
WARMTH = st.lists(st.sampled_from([(), ("one",), ("two",), ("three",)]), min_size=150, max_size=150)


class TestWhateverHappens:
    """With every lane waiting all the time, any costs, any warm models in any order."""

    @settings(max_examples=30, deadline=None)
    @given(LANES, WARMTH)
    def test_nobody_is_passed_over_for_ever(
        self, lanes: list[Lane], warmth: list[tuple[str, ...]]
    ) -> None:
        """A lane is served at the latest once every other one has had its lead and its turn."""
        queue = Queue(lanes)
        longest_s = max(lane.cost_s for lane in lanes)
        waited_s = [0.0] * len(lanes)
        for warm in warmth:
            turn = queue.turn(warm)
            chosen = turn.lane.lane_id.int
            for number in range(len(lanes)):
                waited_s[number] += lanes[chosen].cost_s
            waited_s[chosen] = 0.0
            assert max(queue.passed.values()) <= PASSED_MOST
            bound_s = len(lanes) * 3 * (LEAD_IMAGES + 2) * longest_s
            assert max(waited_s) <= bound_s

    @settings(max_examples=30, deadline=None)
    @given(LANES, WARMTH)
    def test_no_brand_is_further_ahead_than_the_lead_allows(
        self, lanes: list[Lane], warmth: list[tuple[str, ...]]
    ) -> None:
        queue = Queue(lanes)
        longest_s = max(lane.cost_s for lane in lanes)
        for warm in warmth:
            queue.turn(warm)
            had_s: Counter[str] = Counter()
            for number, lane in enumerate(lanes):
                had_s[lane.brand] += queue.seconds(number)
            assert max(had_s.values()) - min(had_s.values()) <= (LEAD_IMAGES + 2) * longest_s

    @settings(max_examples=30, deadline=None)
    @given(LANES)
    def test_without_warm_models_no_brand_is_ahead_by_more_than_two_images(
        self, lanes: list[Lane]
    ) -> None:
        """The bound of start-time fair queueing, theorem 1 of its paper."""
        queue = Queue(lanes)
        longest_s = max(lane.cost_s for lane in lanes)
        for _ in range(150):
            queue.turn()
            had_s: Counter[str] = Counter()
            for number, lane in enumerate(lanes):
                had_s[lane.brand] += queue.seconds(number)
            assert max(had_s.values()) - min(had_s.values()) <= 2 * longest_s
