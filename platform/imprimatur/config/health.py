"""The two probes: alive (it answers) and ready (what it needs answers, every guard is there)."""

from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from kombu import Connection

from governance.tables import guards

log = structlog.get_logger(__name__)


@require_safe
def live(_request: HttpRequest) -> JsonResponse:
    """Answer: this process runs."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """Answer with each part's state; 503 unless all are well. Why is in the log, not here."""
    parts = {name: _works(name, probe) for name, probe in PROBES.items()}
    ok = all(parts.values())
    body = {name: "ok" if well else "failed" for name, well in parts.items()}
    return JsonResponse({"status": "ok" if ok else "failed", **body}, status=200 if ok else 503)


def _works(name: str, probe: Callable[[], None]) -> bool:
    try:
        probe()
    except Exception:
        log.exception("Unable to pass a readiness probe", part=name)
        return False
    return True


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    with Connection(
        settings.CELERY_BROKER_URL, transport_options=options, connect_timeout=2
    ) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)


def _storage() -> None:
    store = storages["blobs"]
    name = store.save("probe/readyz", ContentFile(b"ready"))
    store.delete(name)


def _guards() -> None:
    missing = guards.missing(connection)
    if missing:
        raise RuntimeError(f"guards missing: {', '.join(missing)}")


PROBES: dict[str, Callable[[], None]] = {
    "database": _database,
    "broker": _broker,
    "storage": _storage,
    "guards": _guards,
}
