"""A process starts only on a sound installation: every check passes, the guards included."""

import structlog
from django.core import checks

log = structlog.get_logger(__name__)


def require_sound() -> None:
    """Run all system checks with the database. Raises: SystemExit, after logging each error.

    A check that cannot be made is no start either: Celery would log any other error and go on.
    """
    try:
        found = checks.run_checks(databases=["default"])
    except Exception as error:
        log.exception("Unable to check the installation")
        raise SystemExit(1) from error
    errors = [message for message in found if message.level >= checks.ERROR]
    for message in errors:
        log.error("Unable to start", check=message.id, reason=str(message.msg), hint=message.hint)
    if errors:
        raise SystemExit(1)
