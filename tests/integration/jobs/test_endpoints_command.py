"""The command brings a server and a model at it into use, by two people, once it made an image."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from generation.packs.manifest import Pack
from generation.registry import selectors
from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from tests.factories import licences, review, templates
from tests.factories.quota import platform_admin
from tests.fakes.images_server import ImagesServer, serving
from tests.packs import shared_pack

pytestmark = pytest.mark.django_db(transaction=True)
_actors: dict[str, Actor] = {}
RUN = ("--model", "studio/tiny", "--steps", 2, "--guidance", 4.0, "--side", 64)


def actor_named(username: str) -> Actor:
    return _actors[username]


@pytest.fixture
def pack(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Pack:
    pack = shared_pack(tmp_path_factory)
    settings.MODELS_FOLDER = pack.folder.parent
    return pack


@pytest.fixture
def server(pack: Pack, settings: Any) -> Iterator[ImagesServer]:
    settings.ACTOR_BY_USERNAME = f"{__name__}.actor_named"
    _actors.update(ada=platform_admin(), ben=platform_admin())
    with serving(ImagesServer(pack)) as server:
        yield server
    _actors.clear()


def run(*arguments: object) -> str:
    said = StringIO()
    call_command(*map(str, arguments), stdout=said)
    return said.getvalue()


def add(server: ImagesServer, tmp_path: Path, *arguments: object, **settings: Any) -> str:
    stated = tmp_path / "settings.json"
    stated.write_text(json.dumps({"may_be_plain": True} | settings))
    return run(
        "endpoints", "add", server.url, "--slug", "studio", "--place", "inside", "--settings",
        stated, "--data-class", "internal", "--as", "ada", *arguments,
    )  # fmt: skip


def offer(pack: Pack) -> str:
    return run(
        "endpoints", "offer", "studio@1", *RUN, "--slug", "tiny", "--name", "Tiny", "--licence",
        licences.agreed().id, "--sha256", sha256_hex(b"stated"), "--scorers", pack.folder.name,
        "--as", "ada",
    )  # fmt: skip


class TestEndpoints:
    def test_come_into_use_by_two_people_and_models_are_offered_at_them(
        self, server: ImagesServer, pack: Pack, tmp_path: Path
    ) -> None:
        said = add(server, tmp_path, version_path="/version", seconds_per_image=2)
        endpoint_id = said.split()[-1]
        assert "studio@1  proposed" in run("endpoints", "list")
        checked = run("endpoints", "check", endpoint_id, *RUN, "--as", "ada")
        assert "takes: 2 s" in checked
        assert "version: 9.9.1, at 127.0.0.1" in checked
        with pytest.raises(CommandError):
            offer(pack)
        with pytest.raises(CommandError):
            run("endpoints", "approve", endpoint_id, "--as", "ada")
        run("endpoints", "approve", endpoint_id, "--as", "ben")
        model_id = offer(pack).split()[-1]
        run("models", "approve", model_id, "--as", "ben")
        profile = selectors.current_profile("tiny")
        assert profile.endpoint == "studio@1"
        assert profile.parameters["modes"] == ["guidance", "negative_prompt"]
        assert profile.scorers["entries"]
        assert run("models", "verify") == ""
        with pytest.raises(CommandError, match="endpoints check"):
            run("models", "check", model_id, "--as", "ada")
        assert [order["prompt"] for order in server.orders] == ["a mug on a wooden table"] * 2
        run("endpoints", "retire", endpoint_id, "--as", "ben")
        with pytest.raises(CommandError, match="not in use"):
            offer(pack)
        acts = Entry.objects.filter(event__startswith="registry.endpoint").order_by("id")
        assert [entry.event.rpartition(".")[2] for entry in acts] == [
            "proposed",
            "approved",
            "retired",
        ]

    def test_that_no_worker_could_read_are_not_put_on_record(
        self, server: ImagesServer, tmp_path: Path
    ) -> None:
        for wrong in ({"verify": False}, {"networks": ["everywhere"]}, {"may_be_plain": False}):
            with pytest.raises(CommandError):
                add(server, tmp_path, **wrong)
        with pytest.raises(CommandError, match="openai_images"):
            add(server, tmp_path, "--kind", "telepathy")
        assert selectors.list_endpoints() == []

    def test_are_not_asked_for_just_anybody(self, server: ImagesServer, tmp_path: Path) -> None:
        endpoint_id = add(server, tmp_path).split()[-1]
        _actors["eve"] = review.person(templates.studio().brand.id, Role.BRAND_MANAGER)
        with pytest.raises(CommandError):
            run("endpoints", "check", endpoint_id, *RUN, "--as", "eve")
        with pytest.raises(CommandError):
            run("endpoints", "retire", endpoint_id, "--as", "eve")
        assert server.paths == []


class TestBrands:
    def test_are_classified_by_their_data_steward_alone(self, server: ImagesServer) -> None:
        brand = templates.studio().brand
        _actors["dora"] = review.person(brand.id, Role.DATA_STEWARD)
        assert run("brands", "list", "--as", "dora") == "northwind  internal\n"
        said = run("brands", "classify", "northwind", "restricted", "--as", "dora")
        assert said == "northwind  restricted\n"
        entry = Entry.objects.get(event="brands.brand.data_class_set")
        assert json.loads(bytes(entry.body))["facts"]["after"] == "restricted"
        with pytest.raises(CommandError):
            run("brands", "classify", "northwind", "public", "--as", "ada")
        with pytest.raises(CommandError, match="slug"):
            run("brands", "classify", "nobody", "public", "--as", "dora")
        assert run("brands", "list", "--as", "dora") == "northwind  restricted\n"
