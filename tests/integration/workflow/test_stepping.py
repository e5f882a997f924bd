"""An order is told where its template's steps end, and gets no model that cannot do them."""

from typing import Any

import pytest
from imprimatur.workflow import order

from generation.jobs.models import GenerationJob
from generation.registry.selectors import ProfileRecord
from governance.kernel.errors import InvalidInput
from tests.factories import jobs, orders
from tests.factories.quota import grant_images
from tests.factories.review import NOW

TWICE = {"name": "upscale.lanczos/1", "factor": 2}
CROP = {"name": "crop/1", "aspect": "4:5"}
REFINE = {"name": "refine/1", "strength": 0.5, "steps": 2}
BASIC = ["negative_prompt", "guidance"]


def desk_with(*steps: dict[str, Any]) -> orders.Desk:
    return orders.desk(steps=list(steps))


def model(desk: orders.Desk, modes: list[str], **more: Any) -> ProfileRecord:
    """Put another version of the desk's model in use, which can do these things."""
    parameters = {"steps": 3, "guidance": 4.0, "max_sequence_length": 32, "modes": modes, **more}
    return jobs.profile(slug=desk.profile.slug, parameters=parameters)


def preview(desk: orders.Desk) -> order.Preview:
    return order.preview(
        actor=desk.marketer,
        template_id=desk.version.template_id,
        variables=orders.VARIABLES,
        now=NOW,
    )


@pytest.mark.django_db
class TestSteps:
    def test_end_in_the_size_that_a_preview_tells(self) -> None:
        told = preview(desk_with(TWICE, CROP))
        assert (told.final_width, told.final_height) == (410, 512)

    def test_that_are_none_end_in_the_size_that_was_chosen(self) -> None:
        told = preview(orders.desk())
        assert (told.final_width, told.final_height) == (256, 256)

    @pytest.mark.parametrize(
        "can",
        [
            {"modes": BASIC},
            {"modes": [*BASIC, "inpaint"]},
            {"modes": [*BASIC, "image_to_image", "references"], "needs": ["references"]},
        ],
        ids=str,
    )
    def test_that_the_model_cannot_do_are_refused_before_anything_is_written(
        self, can: dict[str, Any]
    ) -> None:
        desk = desk_with(TWICE, REFINE)
        model(desk, **can)
        for ask in (lambda: preview(desk), desk.place):
            with pytest.raises(InvalidInput, match=r"cannot do the step refine/1") as caught:
                ask()
            assert (caught.value.pointer, caught.value.facts["rule"]) == ("/profile", "unsupported")
        assert GenerationJob.objects.count() == 0

    def test_that_the_model_can_do_are_ordered(self) -> None:
        desk = desk_with(TWICE, REFINE)
        able = model(desk, [*BASIC, "image_to_image"])
        grant_images(able.id, None, 1, "model")
        assert desk.place().items[0].state == "queued"
