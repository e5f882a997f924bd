"""The logs: facts as fields, and never what a person wrote, whatever goes wrong with it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from imprimatur.config import logs
from imprimatur.workflow import order

from generation.jobs import services as jobs
from tests.factories import orders, people
from tests.integration.api.client import Client
from tests.integration.api.world import World
from tests.integration.config import placed

CANARY = "zephyrine"


@pytest.fixture(params=[True, False], ids=["json", "text"])
def output(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Collect everything that any logger writes, in the installation's own format."""
    config = logs.logging_config(level="DEBUG", json=request.param)
    written = io.StringIO()
    config["handlers"]["stderr"]["stream"] = written
    config["root"]["level"] = "DEBUG"
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    logs.configure(config)
    structlog.configure(cache_logger_on_first_use=False)
    yield written
    root.handlers, root.level = kept, level


class TestTheLog:
    def test_has_facts_as_fields(self, output: io.StringIO) -> None:
        structlog.get_logger("imprimatur.test").info("Signed a checkpoint", size=7)
        line = output.getvalue().strip().splitlines()[-1]
        assert "Signed a checkpoint" in line
        assert "size=7" in line or json.loads(line)["size"] == 7

    def test_shows_no_local_variables_of_a_failure(self, output: io.StringIO) -> None:
        try:
            fail(CANARY)
        except RuntimeError:
            structlog.get_logger("imprimatur.test").exception("Unable to render item")
        assert "RuntimeError" in output.getvalue()
        assert CANARY not in output.getvalue()


@pytest.mark.django_db
class TestAnOrdersText:
    """A word that a person wrote goes through everything that an order can lead to."""

    @pytest.fixture
    def world(self, settings: Any, tmp_path: Any) -> World:
        return placed.world(settings, tmp_path)

    def place(self, world: World, marta: Client, detail: str) -> Any:
        body = {
            "template_id": str(world.version.template_id),
            "variables": {**orders.VARIABLES, "detail": detail},
        }
        return marta.post("jobs", body)

    def test_is_not_logged(
        self, world: World, output: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        marta = Client.signed_in("marta")
        assert self.place(world, marta, CANARY).status_code == 202
        assert self.place(world, marta, f"{CANARY} hazard").status_code == 422
        assert self.place(world, marta, f"{CANARY}\x07").status_code == 400
        assert self.place(world, marta, CANARY * 10).status_code == 400

        def broken(**facts: Any) -> None:
            raise RuntimeError("the disk is full")

        monkeypatch.setattr(order.jobs, "create_job", broken)
        assert order.jobs is jobs
        assert self.place(world, marta, CANARY).status_code == 500
        text = output.getvalue()
        assert "the disk is full" in text
        assert "POST /api/v1/jobs" in text
        assert CANARY not in text
        assert people.PASSWORD not in text


def fail(secret: str) -> None:
    """Fail with a secret in a local variable."""
    held = [secret]
    raise RuntimeError(len(held))
