"""The metrics: readable by Prometheus, only with the token, at a flat cost, and nobody's data."""

import http.client
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from imprimatur.config import metrics as served
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parse

from generation import metrics
from generation.engines.reporting import ShelfCollector, stage
from generation.engines.shelf import Shelf
from governance.kernel import clock
from governance.refusals import selectors as refusals
from governance.refusals.states import Stage
from tests.factories import jobs, review
from tests.factories import refusals as made

TOKEN = "a-token-of-prometheus"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape(client: Client) -> dict[str, Any]:
    answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return {family.name: family for family in parse(answer.content.decode())}


class TestWeb:
    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ünicode"]
    )
    def test_answers_nobody_without_the_token(self, client: Client, header: str) -> None:
        answer = client.get("/metrics", headers={"authorization": header} if header else {})
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_answers_nobody_where_no_token_is_set(self, client: Client, settings: Any) -> None:
        settings.METRICS_TOKEN = ""
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 401

    def test_is_only_read(self, client: Client) -> None:
        header = {"authorization": f"Bearer {TOKEN}"}
        assert client.post("/metrics", headers=header).status_code == 405

    def test_says_what_waits_and_for_how_long(self, client: Client) -> None:
        assert scrape(client)["imprimatur_queue_images"].samples == []
        jobs.shop().order()
        found = scrape(client)
        (depth,) = found["imprimatur_queue_images"].samples
        (oldest,) = found["imprimatur_queue_oldest_seconds"].samples
        assert depth.labels == oldest.labels
        assert set(depth.labels) == {"queue"}
        assert depth.value >= 1
        assert oldest.value >= 0

    def test_costs_the_same_whatever_waits(
        self, client: Client, django_assert_num_queries: Any
    ) -> None:
        shop = jobs.shop()
        shop.order()
        # The queue's name, its depth, its oldest, that there is no other queue; and the refusals.
        for _ in range(2):
            with django_assert_num_queries(5):
                scrape(client)
            shop.order(variants=3)

    def test_says_how_many_were_refused_lately(self, client: Client) -> None:
        samples = scrape(client)["imprimatur_refusals_last_hour"].samples
        assert {each.labels["stage"] for each in samples} == set(Stage.values)
        assert {each.value for each in samples} == {0.0}


class TestRefusals:
    def test_are_counted_from_a_moment_on(self) -> None:
        now = clock.now()
        made.at("prompt", review.Team(), now=now)
        assert sum(refusals.count_since(now - timedelta(minutes=5)).values()) == 1
        assert sum(refusals.count_since(now + timedelta(minutes=5)).values()) == 0


class TestWorker:
    @pytest.fixture
    def port(self, settings: Any) -> Iterator[int]:
        with socket.socket() as free:
            free.bind((served.LOOPBACK, 0))
            settings.WORKER_METRICS_PORT = free.getsockname()[1]
        server, thread = served.serve_worker()
        yield settings.WORKER_METRICS_PORT
        server.shutdown()
        thread.join()
        server.server_close()

    def test_serves_its_own_machine(self, port: int) -> None:
        with metrics.timed("encode"), metrics.busy():
            pass
        metrics.IMAGES.labels("studio", "pass").inc()
        asked = http.client.HTTPConnection(served.LOOPBACK, port, timeout=10)
        asked.request("GET", "/metrics")
        found = {family.name: family for family in parse(asked.getresponse().read().decode())}
        asked.close()
        stages = {each.labels.get("stage") for each in found["imprimatur_stage_seconds"].samples}
        assert "encode" in stages
        assert found["imprimatur_device_busy_seconds"].samples
        (image, *_) = found["imprimatur_images"].samples
        assert set(image.labels) == {"model", "verdict"}

    def test_serves_nobody_unless_a_port_is_set(self, settings: Any) -> None:
        settings.WORKER_METRICS_PORT = 0
        assert served.serve_worker() is None

    def test_a_stage_that_failed_is_not_counted_but_the_device_was_busy(self) -> None:
        def count() -> tuple[float, float]:
            return (
                metrics.WORKER.get_sample_value(
                    "imprimatur_stage_seconds_count", {"stage": "denoise"}
                )
                or 0.0,
                metrics.WORKER.get_sample_value("imprimatur_device_busy_seconds_total") or 0.0,
            )

        before = count()
        with pytest.raises(MemoryError), metrics.busy(), stage("denoise"):
            raise MemoryError
        after = count()
        assert after[0] == before[0]
        assert after[1] > before[1]


class TestShelf:
    def test_says_what_is_held_and_how_often_a_prompt_was_kept(self) -> None:
        shelf, registry = Shelf(), CollectorRegistry()
        registry.register(ShelfCollector(shelf))
        shelf.prompts.hits, shelf.prompts.misses = 3, 2
        found = {each.name: each.samples for each in parse(generate_latest(registry).decode())}
        assert [(each.labels, each.value) for each in found["imprimatur_prompt_lookups"]] == [
            ({"found": "yes"}, 3.0),
            ({"found": "no"}, 2.0),
        ]
        assert found["imprimatur_models_held"][0].value == 0


class TestLabels:
    def test_name_nobody_and_no_brand(self) -> None:
        """A label that is not listed here is a decision about personal data."""
        families = [each for each in vars(metrics).values() if isinstance(each, metrics.Family)]
        counted = [metrics.STAGE_SECONDS, metrics.IMAGES, metrics.DEVICE_BUSY_SECONDS]
        declared = {label for each in families for label in each.labels}
        declared |= {label for each in counted for label in each._labelnames}
        assert declared == {"memory", "found", "queue", "stage", "model", "verdict"}
