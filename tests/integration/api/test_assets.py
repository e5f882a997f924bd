"""Images over the API: exact bytes with their digest, nothing to guess from, and a closed gate."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from imprimatur.accounts import keys
from imprimatur.accounts.models import ApiKey
from imprimatur.publishing.models import Publication

from generation.assets import blobs
from generation.assets.records import StepRecord
from generation.assets.selectors import ScoreRecord
from generation.jobs import services as jobs
from generation.jobs.records import Rendered
from governance.kernel.clock import now
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.refusals.models import Refusal
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World

PIXELS = b"\x89PNG\r\n\x1a\n" + b"not really pixels, but exactly these bytes"
GENERATED = b"what the model made"


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def marta(world: World) -> Client:
    return Client.signed_in("marta")


@pytest.fixture
def asset_id(world: World, marta: Client) -> str:
    """An image that a worker made of marta's order, with one score."""
    body = {
        "template_id": str(world.version.template_id),
        "variables": {"object": "mug", "color": "red"},
    }
    item_id = marta.post("jobs", body).json()["items"][0]["id"]
    claim = jobs.claim(item_id=item_id, worker="test")
    assert claim is not None
    score = ScoreRecord(
        scorer="sharpness",
        version="1",
        weights_sha256="",
        value=0.42,
        threshold=0.1,
        verdict="pass",
        reason="",
        policy_id=claim.scoring_policy_id,
        evidence={},
    )
    generated = StepRecord(0, "generate", {}, blobs.put(GENERATED), len(GENERATED), 128, 128)
    enlarged = StepRecord(
        1, "upscale.lanczos/1", {"factor": 2}, sha256_hex(PIXELS), len(PIXELS), 256, 256
    )
    rendered = Rendered(
        sha256=blobs.put(PIXELS),
        size_bytes=len(PIXELS),
        media_type="image/png",
        width_px=256,
        height_px=256,
        recipe=b"{}",
        render_s=0.1,
        verdict="pass",
        scores=(score,),
        steps=(generated, enlarged),
    )
    return str(jobs.finish(claim=claim, rendered=rendered, contributors={}, now=now()))


class TestAsset:
    def test_says_how_it_scored(self, marta: Client, asset_id: str) -> None:
        asset = marta.get(f"assets/{asset_id}").json()
        assert asset["sha256"] == sha256_hex(PIXELS)
        assert [(s["scorer"], s["value"], s["verdict"]) for s in asset["scores"]] == [
            ("sharpness", 0.42, "pass")
        ]

    def test_says_what_it_was_on_its_way(self, marta: Client, asset_id: str) -> None:
        generated, enlarged = marta.get(f"assets/{asset_id}").json()["steps"]
        assert (generated["number"], generated["name"]) == (0, "generate")
        assert generated["sha256"] == sha256_hex(GENERATED)
        assert (enlarged["parameters"], enlarged["width_px"]) == ({"factor": 2}, 256)
        assert enlarged["sha256"] == sha256_hex(PIXELS)


class TestImage:
    def test_is_the_exact_bytes(self, marta: Client, asset_id: str) -> None:
        answer = marta.get(f"assets/{asset_id}/image")
        assert answer.content == PIXELS
        assert answer.headers["ETag"] == f'"{sha256_hex(PIXELS)}"'
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"] == f'inline; filename="{asset_id}.png"'
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"

    def test_is_not_sent_again(self, marta: Client, asset_id: str) -> None:
        headers = {"If-None-Match": f'"{sha256_hex(PIXELS)}"'}
        answer = marta.get(f"assets/{asset_id}/image", **headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == f'"{sha256_hex(PIXELS)}"'

    def test_is_sent_whatever_type_is_asked_for(self, marta: Client, asset_id: str) -> None:
        assert marta.get(f"assets/{asset_id}/image", Accept="image/webp").status_code == 200

    @pytest.mark.parametrize("who", ["nobody", "a stranger"])
    def test_tells_others_nothing_by_its_etag(self, world: World, asset_id: str, who: str) -> None:
        client = Client() if who == "nobody" else Client.signed_in("ada")
        headers = {"If-None-Match": f'"{sha256_hex(PIXELS)}"'}
        answer = client.get(f"assets/{asset_id}/image", **headers)
        assert answer.status_code == (401 if who == "nobody" else 404)

    def test_that_does_not_exist_is_a_problem(self, marta: Client) -> None:
        assert marta.get(f"assets/{uuid7()}/image").status_code == 404


class TestAKey:
    """A draft is for people's eyes, whatever a key of earlier days still names as its scope."""

    @pytest.fixture
    def integration(self, world: World) -> Client:
        fresh, at = keys.make(), now()
        scopes = ["generation:asset:read", "publishing:destination:read"]
        ApiKey.objects.create(
            user_id=people.acting("marta").id,
            name="CMS",
            prefix=fresh.prefix,
            secret_sha256=fresh.sha256,
            scopes=[*scopes, "publishing:publication:create", "refusals:refusal:read"],
            created_at=at,
            expires_at=at + timedelta(days=1),
        )
        return Client(key=fresh.text)

    def test_reads_no_draft(self, integration: Client, asset_id: str) -> None:
        known = {"If-None-Match": f'"{sha256_hex(PIXELS)}"'}
        assert integration.get(f"assets/{asset_id}").status_code == 404
        assert integration.get(f"assets/{asset_id}/image").status_code == 404
        assert integration.get(f"assets/{asset_id}/image", **known).status_code == 404

    def test_is_told_that_a_draft_is_not_released(
        self, world: World, integration: Client, asset_id: str
    ) -> None:
        to = {"destination_id": str(world.destination.id)}
        answer = integration.post(f"assets/{asset_id}/publications", to)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_released")
        refusal_id = answer.json()["facts"]["refusal_id"]
        assert integration.get(f"refusals/{refusal_id}").json()["stage"] == "gate"

    def test_without_the_scope_learns_of_no_asset(self, world: World, asset_id: str) -> None:
        _, text = people.key(people.acting("marta"), "publishing:destination:read")
        to = {"destination_id": str(world.destination.id)}
        answer = Client(key=text).post(f"assets/{asset_id}/publications", to)
        assert answer.status_code == 404
        assert not Refusal.objects.exists()


class TestPublish:
    def test_without_a_release_is_refused_on_record(
        self, world: World, marta: Client, asset_id: str
    ) -> None:
        path, to = f"assets/{asset_id}/publications", {"destination_id": str(world.destination.id)}
        answer = marta.post(path, to, idempotency_key="k")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_released")
        refusal = marta.get(f"refusals/{answer.json()['facts']['refusal_id']}").json()
        assert (refusal["stage"], refusal["subject_id"]) == ("gate", asset_id)
        assert marta.post(path, to, idempotency_key="k").json() == answer.json()
        assert Refusal.objects.count() == 1
        assert not Publication.objects.exists()
