"""A process starts only on a sound installation: every check passes, the guards included."""

import structlog
from django.core import checks

log = structlog.get_logger(__name__)


def require_sound() -> None:
    """Run all system checks with the database. Raises: SystemExit, after logging each error."""
    errors = [m for m in checks.run_checks(databases=["default"]) if m.level >= checks.ERROR]
    for error in errors:
        log.error("Unable to start", check=error.id, reason=str(error.msg), hint=error.hint)
    if errors:
        raise SystemExit(1)
