"""What every test shares: one database per process, reset by its owner."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


# Where tests may use a database without saying so: they run as processes, or look at all of it.
_MAY_USE_A_DATABASE = ("contract", "integration", "journeys", "promises")
_USES_A_DATABASE = {"db", "transactional_db", "django_db_setup", "live_server", "admin_client"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the second pass leave out what no database can change."""
    parser.addoption(
        "--database-only",
        action="store_true",
        help="leave out the tests that use no database: another pass has run them",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--database-only` says."""
    if not config.getoption("--database-only"):
        return
    kept = [item for item in items if _uses_a_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _uses_a_database(item: pytest.Item) -> bool:
    """Tell by its marks, its fixtures and its folder whether a test may use a database."""
    return (
        item.path.relative_to(item.config.rootpath).parts[1] in _MAY_USE_A_DATABASE
        or any(item.get_closest_marker(name) for name in ("django_db", "postgresql", "processes"))
        or not _USES_A_DATABASE.isdisjoint(getattr(item, "fixturenames", ()))
    )


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
