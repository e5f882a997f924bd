"""Over the API: what is said about places in an image, and the versions to compare it with."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from governance.kernel.digests import sha256_hex
from governance.review.models import Annotation
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def bruno(world: World) -> Client:
    return Client.signed_in("bruno")


def address(world: World) -> str:
    return f"cases/{world.case.id}/annotations"


def pin(world: World, **changes: Any) -> dict[str, Any]:
    body = {
        "sha256": world.case.subject.sha256,
        "mark": "pin",
        "x": 0.5,
        "y": 0.25,
        "text": "The logo is too small.",
    }
    return {**body, **changes}


class TestAnnotations:
    def test_are_made_answered_and_settled(self, world: World, bruno: Client) -> None:
        key = str(uuid4())
        made = bruno.post(address(world), pin(world), idempotency_key=key)
        assert made.status_code == 201, made.content
        assert (made.json()["x"], made.json()["width"]) == (0.5, None)
        assert bruno.post(address(world), pin(world), idempotency_key=key).json() == made.json()
        thread = f"annotations/{made.json()['id']}"
        answered = bruno.post(f"{thread}/replies", {"text": "The left one."})
        assert answered.status_code == 201
        assert [reply["text"] for reply in answered.json()["replies"]] == ["The left one."]
        settled = bruno.post(f"{thread}/resolution")
        assert settled.status_code == 201
        assert settled.json()["resolved_by"] == str(people.acting("bruno").id)
        again = bruno.post(f"{thread}/resolution")
        assert (again.status_code, again.json()["code"]) == (409, "already_resolved")
        listed = Client.signed_in("otto").get(made.headers["Location"]).json()
        assert listed == {"items": [settled.json()], "next": None}
        assert Annotation.objects.count() == 1

    def test_tell_whom_they_mention(self, world: World, bruno: Client) -> None:
        clara = people.acting("clara").id
        body = pin(world, mentions=[str(clara)])
        assert bruno.post(address(world), body).status_code == 201
        reader = Client.signed_in("clara")
        (notice,) = reader.get("notices?unread=true").json()["items"]
        assert (notice["kind"], notice["case_id"]) == ("review.mentioned", str(world.case.id))
        read = reader.post(f"notices/{notice['id']}/read", idempotency_key=None)
        assert read.status_code == 200
        assert read.json()["read_at"] is not None
        assert reader.get("notices?unread=true").json()["items"] == []
        assert bruno.post(f"notices/{notice['id']}/read").status_code == 404
        marta = pin(world, mentions=[str(people.acting("marta").id)])
        answer = bruno.post(address(world), marta)
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/mentions"]

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"x": 1.01}, "/x"),
            ({"x": -0.01}, "/x"),
            ({"y": "0.5"}, "/y"),
            ({"y": True}, "/y"),
            ({"y": None}, "/y"),
            ({"mark": "circle"}, "/mark"),
            ({"width": 0.1}, "/width"),
            ({"mark": "box", "width": 0.1}, "/height"),
            ({"mark": "box", "width": 0.6, "height": 0.1}, "/width"),
            ({"text": ""}, "/text"),
            ({"text": "x" * 4001}, "/text"),
            ({"sha256": "abc"}, "/sha256"),
            ({"color": "red"}, "/color"),
        ],
    )
    def test_that_are_malformed_are_named(
        self, world: World, bruno: Client, changes: dict[str, Any], pointer: str
    ) -> None:
        answer = bruno.post(address(world), pin(world, **changes))
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert not Annotation.objects.exists()

    @pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
    def test_take_no_number_that_is_none(self, world: World, bruno: Client, number: bytes) -> None:
        sha256 = str(world.case.subject.sha256).encode()
        body = b'{"sha256": "%s", "mark": "pin", "x": %s, "y": 0, "text": "?"}' % (sha256, number)
        answer = bruno.send("POST", address(world), body, **{"Idempotency-Key": str(uuid4())})
        assert answer.status_code == 400
        assert not Annotation.objects.exists()

    def test_of_other_bytes_are_refused(self, world: World, bruno: Client) -> None:
        answer = bruno.post(address(world), pin(world, sha256=sha256_hex(b"stale")))
        assert (answer.status_code, answer.json()["code"]) == (409, "bytes_changed")

    def test_keep_to_the_brand_and_the_roles(self, world: World) -> None:
        assert Client.signed_in("otto").post(address(world), pin(world)).status_code == 403
        ada = Client.signed_in("ada")
        assert ada.post(address(world), pin(world)).status_code == 404
        assert ada.get(address(world)).status_code == 404
        assert ada.get(f"cases/{world.case.id}/versions").status_code == 404


class TestVersions:
    def test_lists_the_case_itself(self, world: World, bruno: Client) -> None:
        (version,) = bruno.get(f"cases/{world.case.id}/versions").json()["items"]
        assert version["case_id"] == str(world.case.id)
        assert version["case_state"] == "open"
        assert version["subject"]["sha256"] == world.case.subject.sha256
        assert (version["parent_id"], version["open_annotations"]) == (None, 0)
