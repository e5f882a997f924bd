"""An order's events through the whole installation: who may have them, what they say, their end."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from imprimatur.config.streams import Streams
from imprimatur.workflow import following
from imprimatur.workflow.following import Board

from generation.jobs import progress
from generation.jobs.records import JobRecord
from tests.integration.web.world import World


def events(body: bytes) -> list[dict[str, Any]]:
    """Read the events of a stream, their data as values."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            found.append({**lines, "data": json.loads(lines["data"])})
    return found


def address(job: JobRecord) -> str:
    return f"/orders/{job.id}/events/"


class TestEvents:
    def test_begin_with_the_whole_state(self, world: World) -> None:
        job = world.order(2)
        answer = world.client("marta").get(address(job))
        assert answer["Content-Type"] == following.MEDIA_TYPE
        (first,) = events(answer.content)
        assert first["event"] == "order"
        assert [item["id"] for item in first["data"]["items"]] == [str(i.id) for i in job.items]
        places = [item["place"] for item in first["data"]["items"]]
        assert places == ["Its turn is next", "1 image goes before it"]

    def test_leave_out_what_the_client_has(self, world: World) -> None:
        job, client = world.order(1), world.client("marta")
        (first,) = events(client.get(address(job)).content)
        again = client.get(address(job), headers={"Last-Event-ID": first["id"]})
        assert (again.status_code, events(again.content)) == (200, [])
        other = client.get(address(job), headers={"Last-Event-ID": "of another time"})
        assert events(other.content) == [first]

    def test_end_with_the_order_and_are_no_more_after_that(self, world: World) -> None:
        job, client = world.make(world.order(1)), world.client("marta")
        last, end = events(client.get(address(job)).content)
        assert end["event"] == "end"
        after = client.get(address(job), headers={"Last-Event-ID": last["id"]})
        assert (after.status_code, after.content) == (204, b"")

    def test_speak_the_language_of_the_page(self, world: World) -> None:
        job, client = world.order(1), world.client("marta")
        told = [
            events(client.get(address(job), headers={"Accept-Language": language}).content)[0]
            for language in ("en", "de")
        ]
        assert told[0]["id"] == told[1]["id"]
        assert told[0]["data"]["standing"] == told[1]["data"]["standing"]

    def test_are_for_whoever_may_see_the_order(self, world: World) -> None:
        job = world.order(1)
        assert world.client("dora").get(address(job)).status_code == 404
        assert world.client("bruno").get(address(job)).status_code == 200
        assert world.client().get(address(job)).status_code == 302

    def test_tell_nobody_else_s_prompt_or_name(self, world: World) -> None:
        job = world.order(1)
        (first,) = events(world.client("bruno").get(address(job)).content)
        assert set(first["data"]) == {"standing", "percent", "why", "items"}
        assert set(first["data"]["items"][0]) == {"id", "percent", "place", "preview"}


class TestTheSheet:
    def test_says_where_each_image_stands(self, world: World) -> None:
        job = world.order(2)
        page = world.client("marta").get(f"/orders/{job.id}/").content.decode()
        assert f'data-src="{address(job)}"' in page
        assert "1 image goes before it" in page

    def test_follows_nothing_once_the_order_is_over(self, world: World) -> None:
        job = world.make(world.order(1))
        page = world.client("marta").get(f"/orders/{job.id}/").content.decode()
        assert "data-src" not in page

    def test_stands_as_the_events_say_until_a_state_changes(self, world: World) -> None:
        job, client = world.order(1), world.client("marta")
        (first,) = events(client.get(address(job)).content)
        standing = first["data"]["standing"]
        assert f'data-standing="{standing}"' in client.get(f"/orders/{job.id}/").content.decode()
        world.make(job)
        assert (
            f'data-standing="{standing}"' not in client.get(f"/orders/{job.id}/").content.decode()
        )


class TestAStreamInAnInstallation:
    @pytest.mark.django_db(transaction=True)
    def test_goes_on_after_django_s_answer_and_leaves_with_the_client(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = world.order(1)
        cookie = world.client("marta").cookies["sessionid"].value
        seen: list[str] = []

        def look(job_ids: Any) -> Mapping[Any, Any]:
            if not seen:
                world.make(job)
            seen.append("looked")
            return progress.of_orders(job_ids)

        board = Board(look)
        monkeypatch.setattr(following, "BOARD", board)
        monkeypatch.setattr(following, "LOOK_EVERY_S", 0.001)
        body = asyncio.run(asyncio.wait_for(_read(board, address(job), cookie), 30))
        assert [each["event"] for each in events(body)] == ["order", "order", "end"]
        assert not board._watches


async def _read(board: Board, path: str, cookie: str) -> bytes:
    """Read a stream to its end from the application as a server runs it."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), (b"cookie", f"sessionid={cookie}".encode())],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }
    asked = [{"type": "http.request", "body": b"", "more_body": False}]
    body: list[bytes] = []

    async def receive() -> Mapping[str, Any]:
        if asked:
            return asked.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Mapping[str, Any]) -> None:
        body.append(message.get("body", b""))

    await Streams(get_asgi_application(), board)(scope, receive, send)
    return b"".join(body)
