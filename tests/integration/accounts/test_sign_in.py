"""Counting failed sign-ins: a limit that parallel tries cannot pass, and that forgets in time."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from imprimatur.accounts import services
from imprimatur.accounts.errors import TooManyAttempts
from imprimatur.accounts.models import SignInWindow

from tests.factories.people import NOW

ADDRESS = "192.0.2.7"


def attempt(username: str = "marta", address: str = ADDRESS, after_s: int = 0) -> None:
    services.count_attempt(username=username, address=address, now=NOW + timedelta(seconds=after_s))


@pytest.mark.django_db
class TestCountAttempt:
    def test_refuses_the_eleventh_for_one_name_at_one_address(self) -> None:
        for _ in range(10):
            attempt()
        with pytest.raises(TooManyAttempts) as caught:
            attempt()
        assert caught.value.facts["retry_after_s"] == 900

    def test_leaves_others_alone(self) -> None:
        for _ in range(10):
            attempt()
        attempt(username="bruno")
        attempt(address="192.0.2.8")

    def test_refuses_one_name_from_many_addresses(self) -> None:
        for number in range(50):
            attempt(address=f"192.0.2.{number}")
        with pytest.raises(TooManyAttempts):
            attempt(address="198.51.100.1")

    def test_refuses_one_address_for_many_names(self) -> None:
        for number in range(200):
            attempt(username=f"person-{number}")
        with pytest.raises(TooManyAttempts):
            attempt(username="somebody-else")

    def test_opens_again_when_the_window_closes(self) -> None:
        for _ in range(10):
            attempt()
        attempt(after_s=900)

    def test_forgets_failures_after_a_success(self) -> None:
        for _ in range(9):
            attempt()
        services.forget_attempts(username="marta", address=ADDRESS)
        for _ in range(10):
            attempt()
        with pytest.raises(TooManyAttempts):
            attempt()

    def test_stores_neither_name_nor_address(self) -> None:
        attempt(username="my-secret-password")
        stored = str(list(SignInWindow.objects.values()))
        assert "my-secret-password" not in stored
        assert ADDRESS not in stored

    def test_prunes_closed_windows_only(self) -> None:
        attempt()
        attempt(username="bruno", address="192.0.2.9", after_s=600)
        assert services.prune_attempts(now=NOW + timedelta(seconds=900)) == 3
        assert SignInWindow.objects.count() == 3


@pytest.mark.django_db(transaction=True)
class TestParallelAttempts:
    def test_let_exactly_the_limit_through(self) -> None:
        attempt()
        services.forget_attempts(username="marta", address=ADDRESS)
        together, passed = Barrier(8), []

        def knock() -> None:
            together.wait()
            for _ in range(3):
                try:
                    attempt()
                except TooManyAttempts:
                    continue
                passed.append(1)
            connection.close()

        threads = [Thread(target=knock) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(passed) == 10
