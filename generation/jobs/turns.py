"""Whose turn it is: fair queueing over brands and people, and a bounded lead of warm models.

Each brand, each person of a brand and each lane of a person has an account of the device time that
it was given, divided by its weight. The next turn belongs to the least served brand, there to the
least served person, there to the most urgent lanes, of these to the least served. Who comes back
after a pause is not owed the time that nobody waited for: an account counts at least what its
parent's clock shows. That is start-time fair queueing on three levels.
Source: Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996, section 2.

A worker would rather go on with the model that it holds. It may, as long as the lane that is
preferred is at most `LEAD_IMAGES` of its own images ahead of its turn, and whoever's turn it was
has not been passed over `PASSED_MOST` times.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final
from uuid import UUID

PASSED_MOST: Final = 32
LEAD_IMAGES: Final = 8


class Priority(IntEnum):
    """What of one's own work goes first; between people it changes nothing."""

    FIRST = 1
    NORMAL = 2
    LAST = 3


@dataclass(frozen=True, slots=True)
class Account:
    """What one brand, person or lane was given: device seconds divided by its weight."""

    id: UUID
    had_s: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """One lane in which somebody waits; what its accounts had is caught up with their clocks.

    `model` names the weights that its images are made with, `holds` these and what they wear.
    `cost_s` is what its latest image is expected to take, `passed` how often another went first.
    """

    lane_id: UUID
    brand: Account
    person: Account
    lane: Account
    priority: int
    model: str
    holds: str
    cost_s: float
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """The lane that is served next, and the one whose turn it would be without warm models.

    The clocks are what the least served had where the lane was chosen: of all brands, of the
    brand's people, of the person's lanes. Who comes later begins there.
    """

    lane: Waiting
    due: Waiting
    queue_clock_s: float
    brand_clock_s: float
    person_clock_s: float

    @property
    def is_warm(self) -> bool:
        """Whether a warm model went before the lane that was due."""
        return self.lane.lane_id != self.due.lane_id


def choose(waiting: Sequence[Waiting], warm: Collection[str] = ()) -> Turn | None:
    """Return the next turn; None if nobody waits.

    warm: the `model` and `holds` of what the worker has in memory.
    """
    if not waiting:
        return None
    due = min(waiting, key=_order)
    clocks = _Clocks.of(waiting)
    chosen = due
    if due.passed < PASSED_MOST:
        hotter = [each for each in waiting if clocks.is_nearly_due(each)]
        chosen = min((due, *hotter), key=lambda each: (-_heat(each, warm), _order(each)))
        if _heat(chosen, warm) == _heat(due, warm):
            chosen = due
    return Turn(
        lane=chosen,
        due=due,
        queue_clock_s=clocks.queue_s,
        brand_clock_s=clocks.of_brand[chosen.brand.id],
        person_clock_s=clocks.of_person[chosen.person.id][1],
    )


def charge(account: Account, cost_s: float) -> float:
    """Return what an account has had once an image of that cost was made for it."""
    return account.had_s + cost_s / account.weight


def forecast(
    waiting: Sequence[Waiting],
    warm: Collection[str] = (),
    images: Mapping[UUID, int] | None = None,
) -> Iterator[Waiting]:
    """Yield the lanes in the order in which one worker would serve them, one image at a time.

    `images` says how many wait in each lane, which is over when they are made; without it, it goes
    on for ever. Nobody new is reckoned with.
    """
    lanes = {each.lane_id: each for each in waiting}
    left = None if images is None else dict(images)
    if left is not None:
        lanes = {lane_id: lane for lane_id, lane in lanes.items() if left.get(lane_id)}
    while True:
        turn = choose(list(lanes.values()), warm)
        if turn is None:
            return
        yield turn.lane
        lanes = _served(lanes, turn)
        warm = (turn.lane.model, turn.lane.holds)
        if left is not None:
            left[turn.lane.lane_id] -= 1
            if not left[turn.lane.lane_id]:
                del lanes[turn.lane.lane_id]


def _served(lanes: dict[UUID, Waiting], turn: Turn) -> dict[UUID, Waiting]:
    """Return the lanes after a turn, its cost on every account that it touched."""
    chosen, cost_s = turn.lane, turn.lane.cost_s
    after = {}
    for each in lanes.values():
        changed = each
        if each.brand.id == chosen.brand.id:
            changed = replace(changed, brand=_paid(each.brand, cost_s))
        if each.person.id == chosen.person.id:
            changed = replace(changed, person=_paid(each.person, cost_s))
        if each.lane_id == chosen.lane_id:
            changed = replace(changed, lane=_paid(each.lane, cost_s), passed=0)
        elif each.lane_id == turn.due.lane_id:
            changed = replace(changed, passed=each.passed + 1)
        after[each.lane_id] = changed
    return after


def _paid(account: Account, cost_s: float) -> Account:
    return replace(account, had_s=charge(account, cost_s))


def _heat(lane: Waiting, warm: Collection[str]) -> int:
    """Tell how much of what a lane needs is in memory: 2 all, 1 the model alone, 0 nothing."""
    return 2 if lane.holds in warm else int(lane.model in warm)


def _order(lane: Waiting) -> tuple[float, float, int, float, UUID]:
    return (
        lane.brand.had_s,
        lane.person.had_s,
        lane.priority,
        lane.lane.had_s,
        lane.lane_id,
    )


@dataclass(frozen=True, slots=True)
class _Clocks:
    """What the least served had: of all brands, of each brand's people, of each one's lanes.

    Of a person's lanes only the most urgent count, so their priority stands beside it.
    """

    queue_s: float
    of_brand: Mapping[UUID, float]
    of_person: Mapping[UUID, tuple[int, float]]

    @classmethod
    def of(cls, waiting: Sequence[Waiting]) -> "_Clocks":
        """Read the clocks off who waits; there must be somebody."""
        of_brand: dict[UUID, float] = {}
        of_person: dict[UUID, tuple[int, float]] = {}
        for each in waiting:
            brand, person = each.brand.id, each.person.id
            of_brand[brand] = min(each.person.had_s, of_brand.get(brand, each.person.had_s))
            own = (each.priority, each.lane.had_s)
            of_person[person] = min(own, of_person.get(person, own))
        return cls(min(each.brand.had_s for each in waiting), of_brand, of_person)

    def is_nearly_due(self, lane: Waiting) -> bool:
        """Tell whether a lane is few enough of its own images ahead of its turn."""
        urgent, least_s = self.of_person[lane.person.id]
        lead_s = (
            (lane.brand.had_s - self.queue_s)
            + (lane.person.had_s - self.of_brand[lane.brand.id])
            + (lane.lane.had_s - least_s)
        )
        return lane.priority == urgent and lead_s <= LEAD_IMAGES * lane.cost_s
