"""Promise 10: prompts leave only for an approved endpoint, and only of brands whose class may.

What is on record of an endpoint is approved by two people and stays what it was.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from generation.engines.endpoints import addresses
from generation.jobs import endpoints as places
from generation.jobs import judging, recipes, replaying, services
from generation.jobs.errors import NotReplayable
from generation.jobs.models import JobItem, Replay
from generation.registry import services as registry
from generation.scoring.suite import ScoringSuite
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from templates.brands import services as brands
from tests.factories import endpoints as make
from tests.factories import jobs, review
from tests.factories.quota import platform_admin
from tests.factories.review import NOW
from tests.fakes.engines import InlineSuite, ScriptedScorer
from tests.fakes.images_server import ImagesServer, serving
from tests.promises.attacks import Attack, change, copied, count, delete, insert, play, replace

ENDPOINT, PROFILE = "registry_engineendpoint", "registry_modelprofile"
pytestmark = pytest.mark.django_db(transaction=True)


class Scene:
    """A proposed, an approved and a retired endpoint, and a model at the approved one."""

    def __init__(self) -> None:
        self.approved = make.endpoint()
        self.model = make.model(self.approved).id
        self.proposed = make.endpoint(slug="coming", is_approved=False)
        self.retired = make.endpoint(slug="gone")
        registry.retire_endpoint(actor=platform_admin(), endpoint_id=self.retired.id, now=NOW)
        self.id = uuid7()

    def row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of one more endpoint, as one that is only proposed."""
        return copied(ENDPOINT, self.proposed.id) | {"id": self.id.hex, "number": 9} | changes

    def model_at(self, name: str) -> dict[str, Any]:
        """Return the row of one more model, at an endpoint of this name."""
        new = {"id": self.id.hex, "number": 9, "pipeline": f"endpoint:{name}"}
        return copied(PROFILE, self.model) | new


def is_there(table: str) -> Any:
    """Return an attack's question: the forged row, under the scene's id, is there."""
    return lambda s: count(table, id=s.id) == 1


ATTACKS: tuple[Attack[Scene], ...] = (
    Attack(
        "forget an endpoint",
        [f"{ENDPOINT}_never_deleted"],
        lambda s: delete(ENDPOINT, s.proposed.id),
        lambda s: count(ENDPOINT, id=s.proposed.id) == 0,
    ),
    Attack(
        "lead an approved endpoint elsewhere",
        [f"{ENDPOINT}_frozen"],
        lambda s: change(ENDPOINT, s.approved.id, url="https://elsewhere.example"),
        lambda _: count(ENDPOINT, url="https://elsewhere.example") == 1,
    ),
    Attack(
        "let an approved endpoint have more",
        [f"{ENDPOINT}_frozen"],
        lambda s: change(ENDPOINT, s.approved.id, data_classes='["restricted"]'),
        lambda s: "restricted" in str(copied(ENDPOINT, s.approved.id)["data_classes"]),
    ),
    Attack(
        "put an endpoint in another's place",
        [f"{ENDPOINT}_once"],
        lambda s: replace(ENDPOINT, key="id", **s.row(number=s.proposed.number)),
        is_there(ENDPOINT),
        vendor="sqlite",
    ),
    Attack(
        "put an endpoint on record as approved",
        [f"{ENDPOINT}_opens_proposed"],
        lambda s: insert(ENDPOINT, **s.row(approved_by=uuid7().hex, approved_at=NOW)),
        is_there(ENDPOINT),
    ),
    Attack(
        "approve without a word in the ledger",
        [f"{ENDPOINT}_approval_recorded"],
        lambda s: change(ENDPOINT, s.proposed.id, approved_by=s.id, approved_at=NOW),
        lambda s: count(ENDPOINT, approved_by=s.id) == 1,
    ),
    Attack(
        "take an approval back",
        [f"{ENDPOINT}_approved_once"],
        lambda s: change(ENDPOINT, s.approved.id, approved_by=None, approved_at=None),
        lambda s: copied(ENDPOINT, s.approved.id)["approved_by"] is None,
    ),
    Attack(
        "bring a retired endpoint back",
        [f"{ENDPOINT}_retired_once"],
        lambda s: change(ENDPOINT, s.retired.id, retired_at=None),
        lambda s: copied(ENDPOINT, s.retired.id)["retired_at"] is None,
    ),
    *(
        Attack[Scene](
            f"offer a model at an endpoint that is {state}",
            [f"{PROFILE}_endpoint_approved"],
            lambda s, name=name: insert(PROFILE, **s.model_at(name)),
            is_there(PROFILE),
        )
        for state, name in (("proposed", "coming@1"), ("retired", "gone@1"), ("unknown", "no@1"))
    ),
)


def test_attacks_are_refused_and_only_their_guards_refuse_them(
    settings: Any, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    review.use_sealing_key(settings, tmp_path)
    scene = Scene()
    # The control of the last ones: at an endpoint in use a model can be offered.
    make.model(scene.approved, slug="another")
    play(ATTACKS, scene, subtests)


class World:
    """A brand whose model is made at a server of this machine, and an image that waits."""

    def __init__(self, server: ImagesServer) -> None:
        self.server = server
        self.endpoint = make.at(server.url)
        self.shop = jobs.shop(pipeline=f"endpoint:{self.endpoint.name}", folder="studio/tiny")
        self.item = self.shop.order().items[0]

    def classify(self, data_class: str) -> None:
        """Let the brand's data steward say how open its data is."""
        brands.set_data_class(
            actor=review.person(self.shop.brand_id, Role.DATA_STEWARD),
            brand_id=self.shop.brand_id,
            data_class=data_class,
            now=NOW,
        )

    def work(self) -> UUID | None:
        """Let a worker make what waits."""
        return jobs.work_on(self.item.id)


@pytest.fixture
def world(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    review.use_sealing_key(settings, tmp_path)
    jobs.use_blobs(settings, tmp_path / "blobs")
    settings.WORKER_KEY_FOLDER = tmp_path / "keys"
    suite = InlineSuite(ScoringSuite((ScriptedScorer(0.7),)))
    monkeypatch.setattr(judging, "open_suite", lambda *_: suite)
    with serving(ImagesServer(ways=("red",))) as server:
        yield World(server)


class TestNoByteLeaves:
    def test_unless_everything_allows_it_and_then_the_image_is_made(self, world: World) -> None:
        assert world.work()
        assert [order["prompt"] for order in world.server.orders] == [jobs.PROMPT]
        assert world.shop.item(world.item.id).state == "in_review"

    @pytest.mark.parametrize("data_class", ["confidential", "restricted"])
    def test_of_a_brand_whose_class_changed_while_the_image_waited(
        self, world: World, data_class: str
    ) -> None:
        world.classify(data_class)
        assert world.work() is None
        self._nothing_was_sent(world, data_class)

    def test_and_it_is_that_look_that_keeps_it_here(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: without the look, the prompt of a restricted brand leaves."""
        world.classify("restricted")
        monkeypatch.setattr(places, "require_may_send", lambda _claim: None)
        assert world.work()
        assert len(world.server.orders) == 1

    def test_to_an_endpoint_that_was_retired_while_the_image_waited(self, world: World) -> None:
        registry.retire_endpoint(actor=platform_admin(), endpoint_id=world.endpoint.id, now=NOW)
        assert world.work() is None
        self._nothing_was_sent(world, "not in use")

    def test_to_an_endpoint_that_is_retired_after_the_last_look_at_the_brand(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.retire_endpoint(actor=platform_admin(), endpoint_id=world.endpoint.id, now=NOW)
        monkeypatch.setattr(places, "require_may_send", lambda _claim: None)
        assert world.work() is None
        self._nothing_was_sent(world, "not in use")

    def test_to_a_host_that_leads_elsewhere(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = lambda *_, **__: [(2, 1, 6, "", ("93.184.216.34", 0))]  # noqa: E731
        monkeypatch.setattr(addresses.socket, "getaddrinfo", elsewhere)
        assert world.work() is None
        self._nothing_was_sent(world, "not where its approval says")

    def test_without_the_credential_that_the_endpoint_names(
        self, world: World, tmp_path: Path
    ) -> None:
        endpoint = make.at(world.server.url, credential="studio")
        shop = world.shop.with_profile(make.model(endpoint, slug="signed-in"))
        key = tmp_path / "keys" / "endpoints" / "studio.json"
        key.parent.mkdir(parents=True)
        with pytest.raises(places.EndpointCredentialMissing):
            places.connect(endpoint.name)
        key.write_text('{"api_key": "secret"}')
        key.chmod(0o644)
        with pytest.raises(places.EndpointCredentialMissing):
            places.connect(endpoint.name)
        key.chmod(0o600)
        assert places.connect(shop.profile.endpoint)
        assert world.server.paths == []

    def _nothing_was_sent(self, world: World, why: str) -> None:
        assert (world.server.paths, world.server.orders) == ([], [])
        item = world.shop.item(world.item.id)
        assert (item.state, item.asset_id) == ("failed", None)
        assert why in item.failure
        assert world.shop.balances()["brand"] == (0, 0)


class TestAnImageFromAnEndpoint:
    def test_says_so_in_its_recipe_and_is_not_replayed(self, world: World) -> None:
        asset_id = world.work()
        assert asset_id is not None
        asset = replaying.assets.get_asset(world.shop.team.requester, asset_id)
        recipe = recipes.read(asset.recipe, asset.recipe_sha256)
        assert recipe.facts["endpoint"] == "studio@1"
        assert recipe.facts["endpoint.kind"] == "openai_images"
        assert recipe.facts["replayable"] == "no"
        assert recipe.making.pipeline == "endpoint:studio@1"
        auditor = review.person(world.shop.brand_id, Role.AUDITOR)
        with pytest.raises(NotReplayable) as refused:
            services.ask_for_replay(actor=auditor, asset_id=asset_id, now=NOW)
        assert "studio@1" in refused.value.detail
        assert not Replay.objects.exists()

    @pytest.mark.parametrize("way", ["failing", "small", "cut"])
    def test_that_a_server_fails_to_make_ends_alone_and_the_worker_lives(
        self, world: World, way: str
    ) -> None:
        world.server.ways = (way, "red")
        assert world.work() is None
        failed = world.shop.item(world.item.id)
        assert failed.state == "failed"
        assert "endpoint" in failed.failure
        world.item = world.shop.order().items[0]
        assert world.work()
        assert sorted(JobItem.objects.values_list("state", flat=True)) == ["failed", "in_review"]
