"""An order's events over the API: the documented data, for keys too, and within bounds."""

import json
from pathlib import Path
from typing import Any

import pytest
from imprimatur.workflow import following
from imprimatur.workflow.following import Board

from governance.kernel.roles import Role
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def marta(world: World) -> Client:
    return Client.signed_in("marta")


@pytest.fixture
def job(world: World, marta: Client) -> dict[str, Any]:
    variables = {"object": "mug", "color": "red"}
    body = {"template_id": str(world.version.template_id), "variables": variables}
    job: dict[str, Any] = marta.post("jobs", body).json()
    return job


def read(answer: Any) -> tuple[str, dict[str, Any]]:
    """Read the id and the data of the first event."""
    lines = dict(line.split(": ", 1) for line in answer.content.decode().splitlines() if line)
    return lines["id"], json.loads(lines["data"])


class TestEvents:
    def test_tell_the_whole_state_with_the_place_and_its_reason(
        self, marta: Client, job: dict[str, Any]
    ) -> None:
        answer = marta.get(f"jobs/{job['id']}/events")
        assert answer["Content-Type"] == following.MEDIA_TYPE
        _, told = read(answer)
        assert (told["job_id"], told["state"]) == (job["id"], "queued")
        (item,) = told["items"]
        assert (item["id"], item["steps_done"]) == (job["items"][0]["id"], 0)
        assert item["place"] == {
            "images_before": 0,
            "is_at_least": False,
            "wait_s": None,
            "others": 0,
            "share": 1.0,
            "was_passed": False,
            "reason": "",
        }

    def test_leave_out_what_the_client_has(self, marta: Client, job: dict[str, Any]) -> None:
        address = f"jobs/{job['id']}/events"
        last, _ = read(marta.get(address))
        again = marta.get(address, **{"Last-Event-ID": last})
        assert again.content == f"retry: {following.COME_BACK_MS}\n\n".encode()

    def test_are_a_problem_for_whoever_may_not_see_the_order(
        self, world: World, job: dict[str, Any]
    ) -> None:
        ada, brand_id = people.acting("ada"), world.version.brand_id
        people.add(ada, "dora", brand_id=brand_id, roles=[Role.MARKETER])
        colleague = Client.signed_in("dora")
        assert colleague.get(f"jobs/{job['id']}/events").status_code == 404
        assert Client().get(f"jobs/{job['id']}/events").status_code == 401


class TestBounds:
    def test_are_a_problem_that_says_when_to_come_back(
        self, job: dict[str, Any], marta: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(following, "BOARD", Board(lambda _ids: {}))
        monkeypatch.setattr(following, "STREAMS_MOST", 0)
        # Where a server can go on with an answer, a watch is counted; Django's own cannot.
        assert marta.get(f"jobs/{job['id']}/events").status_code == 200
        marta.browser.handler = _Streaming(marta.browser.handler)
        answer = marta.get(f"jobs/{job['id']}/events")
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
        assert answer["Retry-After"] == "1"


class _Streaming:
    """Gives each request what `config.streams` puts in its scope."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._handler.get_response, self._get = self._with_scope, self._handler.get_response

    def __call__(self, environ: Any) -> Any:
        return self._handler(environ)

    def _with_scope(self, request: Any) -> Any:
        request.scope = {"watches": []}
        return self._get(request)
