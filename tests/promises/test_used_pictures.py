"""What images are made from has rights, is of their brand, and is ordered with them, for good."""

from typing import Any

import pytest

from generation.jobs.models import JobItem, UsedPicture
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.rights import services as rights
from tests.factories import jobs as make
from tests.factories import pictures, review
from tests.promises.attacks import (
    Attack,
    change,
    constraint,
    copied,
    count,
    insert,
    play,
    replace,
)

USED = "jobs_usedpicture"


class Scene:
    """An item that waits, made from an image and a picture; what may not be used beside them."""

    def __init__(self) -> None:
        shop, other = make.shop(), make.shop("contoso")
        self.asset = make.finish(make.claimed(shop.order().items[0]))
        self.refused = make.finish(make.claimed(shop.order().items[0]), "refuse")
        self.foreign = make.finish(make.claimed(other.order().items[0]))
        studio, elsewhere = pictures.Studio(shop.brand_id), pictures.Studio(other.brand_id)
        self.cup, self.withdrawn = studio.picture(), studio.picture("red")
        self.unused, self.foreign_cup = studio.picture("navy"), elsewhere.picture("white")
        waiting, made = shop.order(2, pictures=[make.used(self.asset)]).items
        self.waiting, self.id = waiting.id, uuid7()
        self.made = made.id
        make.finish(make.claimed(made))
        for picture, user in ((self.cup, shop), (self.withdrawn, shop), (self.foreign_cup, other)):
            rights.record_use(
                actor=user.marketer,
                subject=SubjectRef("picture", picture.id, picture.brand_id, picture.sha256),
                used=SubjectRef("job_item", waiting.id, picture.brand_id),
                now=pictures.NOW,
            )
        studio.withdraw(self.withdrawn)
        self.used = UsedPicture.objects.get(item=JobItem.objects.get(pk=waiting.id)).id

    def row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of one more image that the waiting item is made from."""
        return copied(USED, self.used) | {"id": self.id.hex, "number": 2} | changes

    def uploaded(self, picture: Any) -> dict[str, Any]:
        """Return the row of one more uploaded picture."""
        return self.row(asset_id=None, picture_id=picture.id.hex, sha256=picture.sha256)


def is_there(s: Scene) -> bool:
    """Tell whether the forged row, under the scene's id, is there."""
    return count(USED, id=s.id) == 1


ATTACKS: tuple[Attack[Scene], ...] = (
    Attack(
        "say afterwards that the picture was left further",
        [f"{USED}_append_only"],
        lambda s: change(USED, s.used, strength=0.1),
        lambda _: count(USED, strength=0.1) == 1,
    ),
    Attack(
        "put one picture in another's place",
        ["jobs_used_once"],
        lambda s: replace(USED, key="id", **s.row(number=1, strength=0.1)),
        is_there,
        vendor="sqlite",
    ),
    Attack(
        "say afterwards that an image was made from another",
        ["jobs_used_from_the_order_on"],
        lambda s: insert(USED, **s.row(item_id=s.made.hex)),
        is_there,
    ),
    Attack(
        "start from an image of another brand",
        ["jobs_used_is_its_brands_image"],
        lambda s: insert(USED, **s.row(asset_id=s.foreign.hex, sha256=make.used(s.foreign).sha256)),
        is_there,
    ),
    Attack(
        "start from an image that was refused",
        ["jobs_used_is_its_brands_image"],
        lambda s: insert(USED, **s.row(asset_id=s.refused.hex, sha256=make.used(s.refused).sha256)),
        is_there,
    ),
    Attack(
        "name other bytes than the image's",
        ["jobs_used_is_its_brands_image"],
        lambda s: insert(USED, **s.row(sha256="0" * 64)),
        is_there,
    ),
    Attack(
        "start from a picture whose use nobody recorded",
        ["jobs_used_has_rights"],
        lambda s: insert(USED, **s.uploaded(s.unused)),
        is_there,
    ),
    Attack(
        "start from a picture whose rights were withdrawn",
        ["jobs_used_has_rights"],
        lambda s: insert(USED, **s.uploaded(s.withdrawn)),
        is_there,
    ),
    Attack(
        "start from a picture of another brand",
        ["jobs_used_has_rights"],
        lambda s: insert(USED, **s.uploaded(s.foreign_cup)),
        is_there,
    ),
    Attack(
        "name other bytes than the picture's",
        ["jobs_used_has_rights"],
        lambda s: insert(USED, **(s.uploaded(s.cup) | {"sha256": "0" * 64})),
        is_there,
    ),
    Attack(
        "start from nothing",
        [constraint(USED, "used_has_one_origin")],
        lambda s: insert(USED, **s.row(asset_id=None)),
        is_there,
    ),
    Attack(
        "start from two pictures at once",
        ["jobs_used_is_its_brands_image", constraint(USED, "used_has_one_origin")],
        lambda s: insert(USED, **s.uploaded(s.cup) | {"asset_id": s.asset.hex}),
        is_there,
    ),
    Attack(
        "leave a picture by an unknown amount",
        [constraint(USED, "used_source_has_a_strength")],
        lambda s: insert(USED, **s.row(strength=None)),
        is_there,
    ),
    Attack(
        "paint a box without an edge",
        [constraint(USED, "used_has_one_origin")],
        lambda s: insert(
            USED,
            **s.row(
                role="mask", asset_id=None, sha256="", strength=None, box_left=0.1, box_top=0.1
            ),
        ),
        is_there,
    ),
    Attack(
        "use a picture for something unheard of",
        [constraint(USED, "used_in_a_role")],
        lambda s: insert(USED, **s.row(role="other", strength=None)),
        is_there,
    ),
)


@pytest.mark.django_db(transaction=True)
def test_what_images_are_made_from_has_rights_and_stays(
    settings: Any, tmp_path: Any, subtests: pytest.Subtests
) -> None:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    scene = Scene()
    # The same rows are taken where nothing is forged.
    for row in (scene.row(), scene.uploaded(scene.cup)):
        insert(USED, **row | {"id": uuid7().hex, "number": 3 + bool(row["picture_id"])})
    play(ATTACKS, scene, subtests)
