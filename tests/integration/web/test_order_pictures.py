"""The order form offers the brand's pictures, and its pages show what images were made from."""

import re
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from imprimatur.workflow import resting

from generation.jobs import selectors as jobs
from generation.jobs.models import GenerationJob, UsedPicture
from generation.pictures import services as pictures
from generation.pictures.records import PictureRecord
from governance.kernel.clock import now
from governance.refusals.models import Refusal
from governance.review import services as review
from governance.rights.records import Statement
from templates.prompts import services as prompts
from tests.factories.pictures import examined, statement, with_people
from tests.integration.web.test_ordering import values
from tests.integration.web.world import World

STRENGTH = {"minimum": 0.2, "maximum": 1.0, "default": 0.8}
PICTURES: dict[str, Any] = {
    "source": {"required": False, "strength": STRENGTH, "masks": ["none", "drawn", "box"]},
    "references": {"minimum": 0, "maximum": 2},
}


@pytest.fixture
def offering(world: World) -> World:
    """The world, whose hero shot may be made from pictures."""
    offer_again(world)
    return world


def offer_again(world: World) -> None:
    """Release a version of the hero shot that may be made from pictures."""
    released = world.template().released
    assert released is not None
    author, approver, at = world.actor("mona"), world.actor("max"), now()
    with transaction.atomic():
        version = prompts.draft_version(
            actor=author,
            brand_id=world.brand_id,
            slug=world.template().slug,
            name=released.name,
            content={**released.content, "pictures": PICTURES},
            now=at,
        )
        prompts.submit_version(actor=author, version_id=version.id, now=at)
        review.approve_content(
            actor=approver, subject_id=version.subject_id, sha256=version.sha256, now=at
        )
        prompts.release_version(actor=author, version_id=version.id, now=at)


def bring(world: World, color: str = "teal", rights: Statement | None = None) -> PictureRecord:
    """Take a picture in as the marketer."""
    return pictures.take_in(
        actor=world.actor("marta"),
        brand_id=world.brand_id,
        examined=examined(color),
        name=f"{color}.png",
        statement=rights or statement(),
        now=now(),
    ).picture


def address(world: World) -> str:
    return f"/templates/{world.template().id}/order/"


def page(answer: Any) -> str:
    return unescape(answer.content.decode())


class TestTheForm:
    def test_offers_what_may_be_used_and_places_the_order(self, offering: World) -> None:
        cup, waiting = bring(offering), bring(offering, "red", with_people())
        client = offering.client("marta")
        form = page(client.get(address(offering)))
        assert f'value="picture:{cup.id}"' in form
        assert f"/pictures/{cup.id}/image?small" in form
        assert str(waiting.id) not in form
        asked = values(
            offering,
            market="GB",
            source=f"picture:{cup.id}",
            source_strength="0.5",
            box_right="50",
        )
        placed = client.post(address(offering), asked)
        assert placed.status_code == 302
        rows = UsedPicture.objects.order_by("item", "number").values_list("role", "strength")
        assert list(rows) == [("source", 0.5), ("mask", None)] * 2
        box = UsedPicture.objects.filter(role="mask").first()
        assert box is not None
        edges = (box.box_left, box.box_top, box.box_right, box.box_bottom)
        assert edges == (0.0, 0.0, 0.5, 1.0)
        sheet = page(client.get(placed["Location"]))
        assert "Started from" in sheet
        assert "strength 0.5" in sheet
        assert "from 0 %, 0 % to 50 %, 100 %" in sheet
        assert f"/pictures/{cup.id}/" in sheet

    def test_starts_from_an_image_that_was_made(self, offering: World) -> None:
        client = offering.client("marta")
        job = offering.make(offering.order(1))
        asset_id = job.items[0].asset_id
        sheet = page(client.get(f"/orders/{job.id}/"))
        assert f"{address(offering)}?start_from={asset_id}" in sheet
        form = page(client.get(f"{address(offering)}?start_from={asset_id}"))
        assert f'value="asset:{asset_id}"' in form
        asked = values(offering, market="GB", source=f"asset:{asset_id}")
        assert client.post(address(offering), asked).status_code == 302
        assert set(UsedPicture.objects.values_list("asset_id", "strength")) == {(asset_id, 0.8)}
        later = GenerationJob.objects.exclude(pk=job.id).get()
        made = offering.make(jobs.get_job(offering.actor("marta"), later.id))
        (case, *_rest) = offering.cases(made)
        review_page = page(offering.client("bruno").get(f"/reviews/{case.id}/"))
        assert "Started from" in review_page
        assert f"/assets/{asset_id}/image?small" in review_page

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"source": "nonsense"}, "Select a valid choice"),
            ({"source_strength": "1.5"}, "less than or equal to 1"),
            ({"box_left": "10"}, "This needs a picture to start from"),
            ({"references": ["picture:x"]}, "Select a valid choice"),
        ],
    )
    def test_says_beside_the_field_what_is_wrong(
        self, offering: World, fields: dict[str, Any], says: str
    ) -> None:
        answer = offering.client("marta").post(
            address(offering), values(offering, market="GB", **fields)
        )
        assert answer.status_code == 400
        assert says in page(answer)
        assert not GenerationJob.objects.exists()

    def test_shows_the_refusal_where_rights_ended(self, offering: World) -> None:
        cup = bring(offering)
        pictures.withdraw_rights(
            actor=offering.actor("marta"), record_id=cup.rights.id, reason="Sold.", now=now()
        )
        asked = values(offering, market="GB", source=f"picture:{cup.id}")
        answer = offering.client("marta").post(address(offering), asked)
        assert answer.status_code == 422
        assert "The rights in this picture were withdrawn." in page(answer)
        record = Refusal.objects.get()
        assert record.stage == "rights"
        told = page(offering.client("marta").get(f"/refusals/{record.id}/"))
        assert "Nobody overrides the rights in a picture." in told

    def test_begins_with_the_newest_picture_where_there_has_to_be_one(
        self, offering: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(PICTURES["source"], "required", True)
        offer_again(offering)
        client = offering.client("marta")
        assert "This template starts from a picture: name it." in page(
            client.get(address(offering))
        )
        bring(offering)
        newest = bring(offering, "red")
        form = page(client.get(address(offering)))
        assert "This template starts from a picture" not in form
        assert re.search(f'value="picture:{newest.id}"[^>]* checked', form)

    def test_of_a_template_without_pictures_offers_none(self, world: World) -> None:
        cup = bring(world)
        form = page(world.client("marta").get(f"{address(world)}?start_from={cup.id}"))
        assert 'name="source"' not in form


class TestARecall:
    def test_finds_what_was_released_from_a_picture(self, offering: World) -> None:
        cup = bring(offering)
        asked = values(offering, market="GB", source=f"picture:{cup.id}")
        placed = offering.client("marta").post(address(offering), asked)
        job_id = placed["Location"].split("/")[2]
        made = offering.make(jobs.get_job(offering.actor("marta"), UUID(job_id)))
        released, waiting = made.items
        release = offering.release(offering.cases(made)[0])
        found = resting.list_resting(offering.actor("dora"), cup.id)
        assert {(each.asset_id, each.release_id) for each in found} == {
            (released.asset_id, release.id),
            (waiting.asset_id, None),
        }
        assert {each.job_id for each in found} == {made.id}
        shown = page(offering.client("mona").get(f"/pictures/{cup.id}/"))
        assert f"/releases/{release.id}/withdraw/" in shown
        assert shown.count("Not released") == 1
        assert resting.list_resting(offering.actor("ada"), cup.id) == []
