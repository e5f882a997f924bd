"""How an order stands among its requester's own: said over the API, heeded by the queue."""

from pathlib import Path
from typing import Any

import pytest

from generation.jobs import services
from generation.jobs.models import GenerationJob
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


def order(world: World, **more: Any) -> dict[str, Any]:
    variables = {"object": "mug", "color": "red"}
    return {"template_id": str(world.version.template_id), "variables": variables, **more}


def test_decides_what_of_ones_own_goes_first(world: World, marta: Client) -> None:
    wanted = {
        "last": {"priority": "last"},
        "due later": {"due_at": "2999-01-02T00:00:00Z"},
        "due sooner": {"due_at": "2999-01-01T00:00:00+01:00"},
        "first": {"priority": "first"},
    }
    names = {}
    for name, said in wanted.items():
        answer = marta.post("jobs", order(world, **said))
        assert answer.status_code == 202, answer.content
        names[answer.json()["id"]] = name
    served = []
    while claim := services.claim_next(queue="render.cpu", worker="test"):
        served.append(names[str(claim.job_id)])
    assert served == ["first", "due sooner", "due later", "last"]


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"priority": "urgent"}, "/priority"),
        ({"priority": 1}, "/priority"),
        ({"due_at": "2020-01-01T00:00:00Z"}, "/due_at"),
        ({"due_at": "2999-01-01T00:00:00"}, "/due_at"),
        ({"due_at": "tomorrow"}, "/due_at"),
    ],
)
def test_that_is_no_such_thing_is_refused_by_its_name(
    world: World, marta: Client, said: dict[str, Any], pointer: str
) -> None:
    answer = marta.post("jobs", order(world, **said))
    assert answer.status_code == 400
    assert pointer in answer.content.decode()
    assert not GenerationJob.objects.exists()
