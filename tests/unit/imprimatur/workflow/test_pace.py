"""Previews are counted by person and minute, by a clock that the test turns."""

from uuid import uuid4

import pytest
from imprimatur.workflow import pace
from imprimatur.workflow.pace import Pace, TooManyPreviews


class TestPace:
    def test_lets_so_many_pass_in_a_minute_and_then_says_when_to_ask_again(self) -> None:
        now = [0.0]
        counted, person = Pace(lambda: now[0]), uuid4()
        counted.count(person, 2)
        now[0] = 40.5
        counted.count(person, 2)
        with pytest.raises(TooManyPreviews) as refused:
            counted.count(person, 2)
        assert refused.value.facts["retry_after_s"] == 20
        now[0] = 60.0
        counted.count(person, 2)

    def test_counts_each_person_alone(self) -> None:
        counted = Pace(lambda: 0.0)
        counted.count(uuid4(), 1)
        counted.count(uuid4(), 1)

    def test_remembers_only_so_many_people(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pace, "PEOPLE_MOST", 2)
        counted, first = Pace(lambda: 0.0), uuid4()
        for person in (first, uuid4(), uuid4()):
            counted.count(person, 1)
        counted.count(first, 1)
        with pytest.raises(TooManyPreviews):
            counted.count(first, 1)
