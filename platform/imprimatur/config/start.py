"""A process starts only on a sound installation: every check passes, the guards included."""

import structlog
from django.core import checks

from imprimatur.config import processes
from imprimatur.config.checks import login_is_of

log = structlog.get_logger(__name__)


def require_sound(process: str) -> None:
    """Run all checks with the database, as `process`. Raises: SystemExit, after logging each error.

    A check that cannot be made is no start either: Celery would log any other error and go on.
    """
    try:
        found = [
            *checks.run_checks(databases=["default"]),
            *login_is_of(processes.ROLES[process]),
        ]
    except Exception as error:
        log.exception("Unable to check the installation")
        raise SystemExit(1) from error
    errors = [message for message in found if message.level >= checks.ERROR]
    for message in errors:
        log.error("Unable to start", check=message.id, reason=str(message.msg), hint=message.hint)
    if errors:
        raise SystemExit(1)
