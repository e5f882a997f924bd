"""What Prometheus reads: of web what waits and was refused, of a worker what it does and holds.

Web answers only whoever brings the token; a worker listens on its own machine only. No figure tells
whose images they are.
"""

import hmac
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from wsgiref.simple_server import WSGIServer

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest, start_http_server
from prometheus_client.registry import Collector, CollectorRegistry

from generation import metrics
from generation.jobs import selectors as jobs
from governance.kernel import clock
from governance.refusals import selectors as refusals

LOOPBACK = "127.0.0.1"
_CHALLENGE = 'Bearer realm="metrics"'


@require_safe
def answer(request: HttpRequest) -> HttpResponse:
    """Answer with the installation's metrics; 401 without the token, or where none is set."""
    if not _is_allowed(request.headers.get("Authorization", "")):
        return HttpResponse(status=401, headers={"WWW-Authenticate": _CHALLENGE})
    registry = CollectorRegistry()
    registry.register(_Installation())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def serve_worker() -> tuple[WSGIServer, Thread] | None:
    """Serve this worker's metrics to its own machine, if a port is set; return what serves."""
    if not settings.WORKER_METRICS_PORT:
        return None
    return start_http_server(settings.WORKER_METRICS_PORT, addr=LOOPBACK, registry=metrics.WORKER)


class _Installation(Collector):
    """Reads the database when it is asked, at a cost that does not grow with it."""

    def describe(self) -> Iterator[Metric]:
        """Say nothing beforehand, as that would read the database twice."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        now = clock.now()
        waiting, oldest = metrics.QUEUE_IMAGES.gauge(), metrics.QUEUE_OLDEST_SECONDS.gauge()
        for each in jobs.list_queues():
            waiting.add_metric([each.queue], each.images)
            age = (now - each.oldest_at).total_seconds() if each.oldest_at else 0.0
            oldest.add_metric([each.queue], max(0.0, age))
        yield waiting
        yield oldest
        refused = metrics.REFUSALS_LAST_HOUR.gauge()
        for stage, count in refusals.count_since(now - timedelta(hours=1)).items():
            refused.add_metric([stage], count)
        yield refused


def _is_allowed(authorization: str) -> bool:
    """Tell whether the header brings the token; without one set, nothing does."""
    scheme, _, given = authorization.partition(" ")
    token = settings.METRICS_TOKEN
    return bool(
        token
        and scheme.lower() == "bearer"
        and hmac.compare_digest(given.strip().encode(), token.encode())
    )
