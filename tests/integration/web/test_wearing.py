"""The order form offers the template's looks, and the sheet offers to follow what was made."""

from html import unescape

import pytest
from django.db import transaction

from generation.jobs.models import UsedPicture, WornAdapter
from governance.kernel.clock import now
from governance.review import services as review
from templates.prompts import services as prompts
from tests.factories import registry as make
from tests.integration.web.test_ordering import values
from tests.integration.web.world import World

STRENGTH = {"minimum": 0.2, "maximum": 1.0, "default": 0.8}


@pytest.fixture
def offering(world: World) -> World:
    """The world, whose hero shot offers a look and to follow a picture."""
    make.adapter()
    make.adapter(slug="outlines", name="Outlines", kind="controlnet", trigger_words=[])
    released = world.template().released
    assert released is not None
    author, approver, at = world.actor("mona"), world.actor("max"), now()
    content = {
        **released.content,
        "adapters": [{"slug": "brand-look", "strength": STRENGTH}],
        "controls": [{"slug": "outlines", "strength": STRENGTH}],
    }
    with transaction.atomic():
        version = prompts.draft_version(
            actor=author,
            brand_id=world.brand_id,
            slug=world.template().slug,
            name=released.name,
            content=content,
            now=at,
        )
        prompts.submit_version(actor=author, version_id=version.id, now=at)
        review.approve_content(
            actor=approver, subject_id=version.subject_id, sha256=version.sha256, now=at
        )
        prompts.release_version(actor=author, version_id=version.id, now=at)
    return world


class TestAnOrder:
    def test_wears_the_look_that_was_chosen_and_says_so(self, offering: World) -> None:
        client = offering.client("marta")
        address = f"/templates/{offering.template().id}/order/"
        form = unescape(client.get(address).content.decode())
        assert 'name="adapter"' in form
        assert "Brand look" in form
        placed = client.post(address, values(offering, market="GB", adapter="brand-look"))
        assert placed.status_code == 302
        assert set(WornAdapter.objects.values_list("strength", flat=True)) == {0.8}

    def test_follows_an_image_that_was_made(self, offering: World) -> None:
        client = offering.client("marta")
        job = offering.make(offering.order(1))
        asset_id = job.items[0].asset_id
        address = f"/templates/{offering.template().id}/order/"
        sheet = unescape(client.get(f"/orders/{job.id}/").content.decode())
        assert f"{address}?outlines_of={asset_id}" in sheet
        form = unescape(client.get(f"{address}?outlines_of={asset_id}").content.decode())
        assert f'value="asset:{asset_id}"' in form
        placed = client.post(address, values(offering, market="GB", control=f"asset:{asset_id}"))
        assert placed.status_code == 302
        assert set(UsedPicture.objects.values_list("role", "asset_id")) == {("control", asset_id)}

    def test_of_a_template_without_them_offers_neither(self, world: World) -> None:
        address = f"/templates/{world.template().id}/order/?outlines_of=nothing"
        form = world.client("marta").get(address).content.decode()
        assert 'name="adapter"' not in form
        assert 'name="control"' not in form
