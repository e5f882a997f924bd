"""Where an image stands: its turn as the rule gives it, an estimate, and never more than known."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from generation.jobs import outlook
from generation.jobs.outlook import Line, Place
from generation.jobs.turns import Account, Waiting


def lane(
    number: int, *, person: int | None = None, cost_s: float = 1.0, passed: int = 0
) -> Waiting:
    """Return a lane of a person of one brand; without one, of a person of its own."""
    whose = number if person is None else person
    return Waiting(
        lane_id=UUID(int=number),
        brand=Account(UUID(int=1000), 0.0),
        person=Account(UUID(int=2000 + whose), 0.0),
        lane=Account(UUID(int=3000 + number), 0.0),
        priority=2,
        model=f"model {number}",
        holds=f"holds {number}",
        cost_s=cost_s,
        passed=passed,
    )


def item(lane_number: int, number: int) -> UUID:
    return UUID(int=lane_number * 10_000 + number)


def line(*lanes: Waiting, images: Sequence[int], workers: int = 1) -> Line:
    return Line(
        waiting=lanes,
        images={each.lane_id: count for each, count in zip(lanes, images, strict=True)},
        items={
            each.lane_id: [item(each.lane_id.int, number) for number in range(count)]
            for each, count in zip(lanes, images, strict=True)
        },
        workers=workers,
    )


def place(asked: Line, lane_number: int, number: int = 0) -> Place:
    wanted = item(lane_number, number)
    return outlook.places(asked, {wanted: UUID(int=lane_number)})[wanted]


class TestPlaces:
    def test_of_ones_own_images_count_up(self) -> None:
        alone = line(lane(1), images=[3])
        assert [place(alone, 1, number).images_before for number in range(3)] == [0, 1, 2]
        assert place(alone, 1, 2) == Place(2, wait_s=2.0)

    def test_reckon_with_the_turns_of_others(self) -> None:
        asked = line(lane(1), lane(2), lane(3), lane(4), images=[20, 20, 20, 20])
        found = place(asked, 4, 2)
        assert (found.others, found.share) == (3, 0.25)
        # Turns come round; a warm model may go ahead by a few of its own images.
        assert 8 <= found.images_before <= 8 + 3 * outlook.turns.LEAD_IMAGES

    def test_end_with_the_images_of_others(self) -> None:
        asked = line(lane(1), lane(2), lane(3), images=[30, 1, 1])
        assert place(asked, 1, 29).images_before == 31

    def test_divide_the_wait_among_the_workers_and_say_none_without_any(self) -> None:
        waits = [
            place(line(lane(1, cost_s=6.0), images=[5], workers=workers), 1, 4).wait_s
            for workers in (1, 2, 0)
        ]
        assert waits == [24.0, 12.0, None]

    def test_count_other_people_and_not_their_lanes(self) -> None:
        asked = line(lane(1), lane(2, person=1), lane(3), images=[1, 1, 1])
        assert place(asked, 1).others == 1

    def test_share_the_time_by_the_weights_of_brands_then_of_people(self) -> None:
        heavy = replace(lane(3), brand=Account(UUID(int=1001), 0.0, weight=3.0))
        asked = line(lane(1), lane(2), heavy, images=[9, 9, 9])
        shares = [place(asked, number).share for number in (1, 2, 3)]
        assert shares == [0.125, 0.125, 0.75]

    def test_say_that_a_warm_model_went_first(self) -> None:
        assert place(line(lane(1, passed=1), images=[1]), 1).was_passed
        assert not place(line(lane(1), images=[1]), 1).was_passed

    def test_say_at_least_where_the_look_ends(self) -> None:
        found = place(line(lane(1), images=[outlook.TURNS_MOST + 5]), 1, outlook.TURNS_MOST)
        assert found == Place(outlook.TURNS_MOST, is_at_least=True)

    def test_look_no_further_however_many_people_wait(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outlook, "LOOKS_MOST", 12)
        asked = line(*(lane(number) for number in range(1, 5)), images=[9] * 4)
        assert place(asked, 4, 8) == Place(3, is_at_least=True, others=3, share=0.25)

    def test_know_little_of_a_lane_that_just_opens(self) -> None:
        asked = line(lane(1), images=[2])
        found = outlook.places(asked, {item(2, 0): UUID(int=2)})
        assert found == {item(2, 0): Place(2, is_at_least=True)}
