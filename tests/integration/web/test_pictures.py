"""The pages of pictures: brought with their rights, confirmed by a steward, withdrawn."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from imprimatur.accounts import services as accounts

from generation.pictures import selectors
from governance.kernel.clock import now
from governance.kernel.digests import sha256_hex
from governance.kernel.roles import Role
from tests.factories.pictures import png
from tests.integration.web.world import World

FACTS = {
    "owner": "Northwind Studio",
    "basis": "own_work",
    "people_shown": "none",
    "evidence": "Folder 2026-03",
}
ADULTS = FACTS | {"people_shown": "adults", "consent": "Model release 17"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"owner": ""}, "Say who owns the picture."),
    ({"people_shown": "minors"}, "Say where the consent of the people shown is on file."),
    ({"basis": "licence"}, "Name the licence or the contract."),
    ({"evidence": ""}, "Say where the proof of these rights lies."),
    ({"expires_on": "2020-01-01"}, "These rights have expired already."),
    ({"evidence_sha256": "x"}, "The digest must be a SHA-256"),
    ({"file": SimpleUploadedFile("cup.png", b"GIF89a")}, "not a PNG, JPEG or WebP image"),
    ({"file": SimpleUploadedFile("cup.png", png()[:-9])}, "This image is damaged"),
    ({"file": ""}, "Choose a picture."),
    ({"brand": "00000000-0000-7000-8000-000000000009"}, "Nothing was kept."),
]


def bring(world: World, facts: dict[str, Any] | None = None, **changes: Any) -> Any:
    form = {"file": SimpleUploadedFile("cup.png", png()), "brand": str(world.brand_id)}
    form |= (facts or FACTS) | changes
    return world.client("marta").post("/pictures/add/", form, follow=True)


def steward(world: World) -> Any:
    """Make the reviewer a data steward too, and return their browser."""
    person = world.actor("bruno")
    accounts.grant_role(
        actor=world.actor("ada"),
        user_id=person.id,
        brand_id=world.brand_id,
        role=Role.DATA_STEWARD,
        now=now(),
    )
    return world.client("bruno")


def where(answer: Any) -> str:
    """Return the address that a form led to."""
    return str(answer.redirect_chain[-1][0])


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


class TestBringing:
    def test_goes_to_the_picture_and_shows_its_bytes(self, world: World) -> None:
        tomorrow = (now() + timedelta(days=1)).date()
        page = bring(world, expires_on=tomorrow.isoformat())
        assert "Taken in. The picture may be used." in text(page)
        assert "Expires soon" in text(page)
        assert "Northwind Studio" in text(page)
        picture_id = where(page).split("/")[2]
        picture = selectors.get_picture(world.actor("marta"), picture_id)
        image = world.client("marta").get(f"/pictures/{picture_id}/image")
        assert sha256_hex(image.content) == picture.sha256
        assert "sandbox" in image["Content-Security-Policy"]
        small = world.client("bruno").get(f"/pictures/{picture_id}/image?small")
        assert (small["Content-Type"], small["ETag"]) == (
            "image/webp",
            f'"{picture.preview_sha256}"',
        )
        held = world.client("marta").get(
            f"/pictures/{picture_id}/image", headers={"If-None-Match": image["ETag"]}
        )
        assert held.status_code == 304

    def test_again_says_that_it_is_there(self, world: World) -> None:
        first, again = bring(world), bring(world)
        assert where(again) == where(first)
        assert "The brand has this picture already" in text(again)

    def test_says_beside_the_field_what_is_wrong(
        self, world: World, subtests: pytest.Subtests
    ) -> None:
        for changes, said in WRONG:
            with subtests.test(said):
                answer = bring(world, **changes)
                assert answer.status_code == 400
                assert said in text(answer)
        assert selectors.list_pictures(world.actor("marta"), now=now()) == []

    def test_is_for_those_who_may(self, world: World) -> None:
        for username in ("bruno", "clara"):
            assert world.client(username).get("/pictures/add/").status_code == 403
        form = text(world.client("marta").get("/pictures/add/"))
        assert 'enctype="multipart/form-data"' in form
        assert "Bring a picture" in text(world.client("marta").get("/pictures/"))
        assert "Bring a picture" not in text(world.client("bruno").get("/pictures/"))


class TestRights:
    def test_wait_for_the_steward_then_hold_then_end(self, world: World) -> None:
        here = where(bring(world, ADULTS))
        marta, stella = world.client("marta"), steward(world)
        assert "Waits for a data steward" in text(marta.get(here))
        assert "Confirm the rights" not in text(marta.get(here))
        assert "cup.png" in text(stella.get("/pictures/?show=waiting"))
        found = re.search(r'action="(/rights/[^"]+/confirm/)"', text(stella.get(here)))
        assert found is not None
        assert marta.post(found[1]).status_code == 403
        assert stella.post(found[1])["Location"] == here
        assert "Rights confirmed." in text(stella.get(here))
        stella.post(found[1])
        assert "cannot confirm" in text(stella.get(here))
        withdrawal = found[1].replace("confirm", "withdraw")
        refused = marta.post(withdrawal, {"reason": " "})
        assert refused.status_code == 400
        assert "Say why the rights are withdrawn." in text(refused)
        assert marta.post(withdrawal, {"reason": "Consent ended."})["Location"] == here
        page = text(marta.get(here))
        assert "Withdrawn" in page
        assert "Consent ended." in page
        assert "Withdraw for good" not in page
        assert "cup.png" in text(stella.get("/pictures/?show=withdrawn"))

    def test_are_restated_from_what_stands(self, world: World) -> None:
        here = where(bring(world, ADULTS))
        marta = world.client("marta")
        assert "Model release 17" in text(marta.get(f"{here}rights/"))
        refused = marta.post(f"{here}rights/", FACTS | {"people_shown": "adults"})
        assert "Say where the consent" in text(refused)
        assert marta.post(f"{here}rights/", FACTS)["Location"] == here
        page = text(marta.get(here))
        assert "Version 2" in page
        assert "A data steward confirms it now." in page
        assert world.client("bruno").get(f"{here}rights/").status_code == 403

    def test_of_nothing_are_an_empty_page(self, world: World) -> None:
        client = world.client("marta")
        assert "Nobody has brought a picture yet" in text(client.get("/pictures/"))
        assert "Nothing expires soon" in text(client.get("/pictures/?show=expiring"))
        assert client.get("/pictures/?show=nonsense").status_code == 200
        assert client.get("/pictures/00000000-0000-7000-8000-000000000009/").status_code == 404
