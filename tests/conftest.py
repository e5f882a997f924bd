"""What every test shares: one database per process, reset by its owner."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Give each xdist process a database of its own."""


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest
) -> Iterator[None]:
    """Build the database as its owner, then work as the application's role, as production does."""
    from tests import databases

    with django_db_blocker.unblock():
        databases.work_as_application()
    yield
    with django_db_blocker.unblock():
        databases.work_as_owner()
        databases.end_other_sessions()


@pytest.fixture(autouse=True, scope="session")
def _reset_by_owner() -> Iterator[None]:
    """Empty committed data as the owner: the guards refuse Django's own flush, rightly."""
    from django.test import TransactionTestCase

    from tests import databases

    original = TransactionTestCase._fixture_teardown

    def teardown(self: TransactionTestCase) -> None:
        databases.reset()

    TransactionTestCase._fixture_teardown = teardown
    yield
    TransactionTestCase._fixture_teardown = original


@pytest.fixture(autouse=True, scope="session")
def _log_lines_can_be_captured() -> None:
    """Keep no logger as it was at its first use: a later test's capture would not see it."""
    import structlog

    structlog.configure(cache_logger_on_first_use=False)


@pytest.fixture(autouse=True)
def _language_of_the_installation() -> Iterator[None]:
    """Forget the language that a test's last request spoke: it stays with the thread otherwise."""
    yield
    from django.utils import translation

    translation.deactivate()
