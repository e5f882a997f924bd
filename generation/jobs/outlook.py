"""Where an image stands in its queue: how many go before it, how long that takes, and why.

It foresees the turns of `turns.forecast` from what waits now. Nobody new is reckoned with, and how
far it looks has a limit; beyond that it says "at least".
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from generation.jobs import turns
from generation.jobs.turns import Waiting

# How many turns are foreseen, and how many looks at a lane that may take altogether.
TURNS_MOST: Final = 200
LOOKS_MOST: Final = 5_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where one image stands; no figure tells whose the others are.

    `is_at_least` means that more than `images_before` may go before it; then `wait_s` is not known,
    nor is it while no worker is at work. `others` is how many other people wait, `share` which part
    of the device's time is this person's meanwhile, and `was_passed` whether a warm model went
    before this lane's turn.
    """

    images_before: int
    is_at_least: bool = False
    wait_s: float | None = None
    others: int = 0
    share: float = 1.0
    was_passed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Everything that waits in a queue, as far as somebody looks.

    `images` counts what waits in each lane, up to a limit; `items` are the first ones of the lanes
    that are asked about, in their order; `workers` make images of this queue.
    """

    waiting: Sequence[Waiting]
    images: Mapping[UUID, int]
    items: Mapping[UUID, Sequence[UUID]]
    workers: int


@dataclass(slots=True)
class _Walk:
    """How far the turns were followed."""

    turns: int = 0
    cost_s: float = 0.0
    of_lane: Counter[UUID] = field(default_factory=Counter)


def places(line: Line, wanted: Mapping[UUID, UUID]) -> dict[UUID, Place]:
    """Return where each of the wanted items stands; `wanted` names its lane."""
    lanes = {each.lane_id: each for each in line.waiting}
    found: dict[UUID, Place] = {}
    walk, open_items = _Walk(), set(wanted)
    most = min(TURNS_MOST, LOOKS_MOST // max(1, len(lanes)))
    for lane in turns.forecast(line.waiting, images=line.images):
        if walk.turns >= most or not open_items:
            break
        item_id = _nth(line.items.get(lane.lane_id, ()), walk.of_lane[lane.lane_id])
        if item_id in open_items:
            open_items.discard(item_id)
            found[item_id] = _place(line, lanes[lane.lane_id], walk)
        walk.turns += 1
        walk.cost_s += lane.cost_s
        walk.of_lane[lane.lane_id] += 1
    return found | {
        item_id: _beyond(line, lanes.get(wanted[item_id]), walk) for item_id in open_items
    }


def _nth(items: Sequence[UUID], number: int) -> UUID | None:
    return items[number] if number < len(items) else None


def _place(line: Line, lane: Waiting, walk: _Walk) -> Place:
    wait_s = walk.cost_s / line.workers if line.workers else None
    return Place(images_before=walk.turns, wait_s=wait_s, **_standing(line.waiting, lane))


def _beyond(line: Line, lane: Waiting | None, walk: _Walk) -> Place:
    """Return the place of an item whose turn was not reached, or whose lane just opens."""
    standing = _standing(line.waiting, lane) if lane else {}
    return Place(images_before=walk.turns, is_at_least=True, **standing)


def _standing(waiting: Collection[Waiting], lane: Waiting) -> dict[str, Any]:
    """Return what the rule gives to whose lane this is, while all of these wait."""
    brands = {each.brand.id: each.brand.weight for each in waiting}
    people = {each.person.id: each.person.weight for each in waiting}
    of_brand = {each.person.id for each in waiting if each.brand.id == lane.brand.id}
    share = lane.brand.weight / sum(brands.values())
    share *= lane.person.weight / sum(people[each] for each in of_brand)
    return {"others": len(people) - 1, "share": share, "was_passed": lane.passed > 0}
