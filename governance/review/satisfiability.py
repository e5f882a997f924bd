"""Whether a policy's people suffice: one person decides a case once, in one stage; pure.

Each place in a quorum needs a person of its own. That is a matching of places to people, grown one
augmenting path at a time. Source: H. W. Kuhn, The Hungarian method for the assignment problem
(1955), as the maximum matching of a bipartite graph.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Need:
    """What one stage asks for: so many different people out of these."""

    stage: str
    quorum: int
    people: frozenset[UUID]


def lacking(needs: Sequence[Need], without: UUID | None = None) -> tuple[str, ...]:
    """Return the stages that cannot be filled when all others are; empty: the policy can be met.

    `without` is somebody who may not decide: the requester.
    """
    narrow = _narrow(needs)
    seats: dict[UUID, int] = {}
    unfilled = [
        need.stage
        for place, need in enumerate(narrow)
        for _ in range(need.quorum)
        if not _seat(narrow, place, seats, {without})
    ]
    return tuple(dict.fromkeys(unfilled))


def stranded(needs: Sequence[Need], requesters: Iterable[UUID]) -> frozenset[UUID]:
    """Return those whose own orders could never be approved, because they may not decide them."""
    if lacking(needs):
        return frozenset(requesters)
    deciders = frozenset().union(*(need.people for need in _narrow(needs)))
    return frozenset(
        requester
        for requester in requesters
        if requester in deciders and lacking(needs, without=requester)
    )


def _narrow(needs: Sequence[Need]) -> tuple[Need, ...]:
    """Leave out the stages that always find somebody: more people than all places and one."""
    places = sum(need.quorum for need in needs)
    return tuple(need for need in needs if len(need.people) <= places)


def _seat(
    needs: Sequence[Need], place: int, seats: dict[UUID, int], seen: set[UUID | None]
) -> bool:
    """Find somebody for one more place of a stage, moving others where that frees somebody.

    `seats` says who sits at which stage; nobody in `seen` is asked again.
    """
    for person in needs[place].people - seen:
        if person in seen:
            continue
        seen.add(person)
        if person not in seats or _seat(needs, seats[person], seats, seen):
            seats[person] = place
            return True
    return False
