"""Released images over the API: an integration pulls the marked bytes until they are withdrawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from imprimatur.publishing.models import Publication

from generation.assets import blobs
from governance.kernel.actors import SYSTEM
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.release import selectors as releases
from governance.release import services as release_services
from governance.review import selectors as review
from tests.factories import people
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World

SCOPE = "publishing:release:read"


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    store = {"location": str(tmp_path / "blobs"), "file_permissions_mode": 0o640}
    backend = "generation.assets.files.WholeFileStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {"BACKEND": backend, "OPTIONS": store},
    }
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def marked(world: World) -> bytes:
    """Store the bytes that the world's release is about, as the publisher does."""
    approval = review.get_approval(approval_id=world.release.approval_id)
    data = b"marked" + approval.case_id.bytes
    assert blobs.put(data) == world.release.marked_sha256
    return data


@pytest.fixture
def path(world: World) -> str:
    return f"releases/{world.release.id}/image"


@pytest.fixture
def integration(world: World) -> Client:
    """A key that may read releases and nothing else."""
    _, text = people.key(people.acting("marta"), SCOPE)
    return Client(key=text)


def withdraw(world: World) -> None:
    release_services.withdraw(
        actor=replace(people.acting("clara"), authenticated_at=people.NOW),
        release_id=world.release.id,
        reason="The product was recalled.",
        now=people.NOW,
    )


class TestReleasedImage:
    def test_is_pulled_with_a_key_from_the_list_on(
        self, world: World, integration: Client, marked: bytes
    ) -> None:
        (release,) = integration.get("releases").json()["items"]
        answer = integration.get(f"releases/{release['id']}/image")
        assert answer.content == marked
        assert sha256_hex(answer.content) == release["marked_sha256"]
        assert answer.headers["ETag"] == f'"{release["marked_sha256"]}"'
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        name = f'inline; filename="{release["id"]}.png"'
        assert answer.headers["Content-Disposition"] == name

    def test_is_not_sent_again(self, integration: Client, marked: bytes, path: str) -> None:
        headers = {"If-None-Match": f'"{sha256_hex(marked)}"'}
        answer = integration.get(path, **headers)
        assert (answer.status_code, answer.content) == (304, b"")
        other = integration.get(path, **{"If-None-Match": f'"{"0" * 64}"'})
        assert other.content == marked

    def test_is_gone_once_withdrawn_also_for_whoever_holds_it(
        self, world: World, integration: Client, marked: bytes, path: str
    ) -> None:
        withdraw(world)
        for headers in ({}, {"If-None-Match": f'"{sha256_hex(marked)}"'}, {"If-None-Match": "*"}):
            answer = integration.get(path, **headers)
            assert (answer.status_code, answer.json()["code"]) == (410, "release_withdrawn")
            assert "ETag" not in answer.headers
        assert integration.get(f"releases/{world.release.id}").json()["withdrawn_at"]

    @pytest.mark.usefixtures("marked")
    def test_is_never_sent_altered(self, world: World, integration: Client, path: str) -> None:
        sha256 = world.release.marked_sha256
        name = f"{sha256[:2]}/{sha256[2:4]}/{sha256}"
        storages["blobs"].delete(name)
        assert integration.get(path).json()["code"] == "blob_missing"
        storages["blobs"].save(name, ContentFile(b"other bytes"))
        answer = integration.get(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "blob_corrupt")

    @pytest.mark.usefixtures("marked")
    def test_is_for_the_brands_people_and_their_keys(self, world: World, path: str) -> None:
        _, text = people.key(people.acting("marta"), "generation:job:read")
        known = {"If-None-Match": f'"{world.release.marked_sha256}"'}
        for client, status in (
            (Client.signed_in("otto"), 200),
            (Client.signed_in("ada"), 404),
            (Client(key=text), 404),
            (Client(), 401),
        ):
            assert client.get(path).status_code == status
            assert client.get(path, **known).status_code == (304 if status == 200 else status)

    def test_that_does_not_exist_is_a_problem(self, integration: Client) -> None:
        assert integration.get(f"releases/{uuid7()}/image").status_code == 404


class TestAWithdrawnRelease:
    def test_is_not_published_and_says_so_again(self, world: World) -> None:
        withdraw(world)
        marta = Client.signed_in("marta")
        path, to = (
            f"releases/{world.release.id}/publications",
            {"destination_id": str(world.destination.id)},
        )
        first = marta.post(path, to, idempotency_key="k")
        assert (first.status_code, first.json()["code"]) == (410, "release_withdrawn")
        again = marta.post(path, to, idempotency_key="k")
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json() == first.json()
        assert not Publication.objects.exists()
        assert releases.get_release(SYSTEM, world.release.id).withdrawn_at
