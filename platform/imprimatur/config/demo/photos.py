"""Brings the demo's own picture with its rights, as its marketer would; drawn, so nobody's."""

import io
import random
from datetime import datetime
from uuid import UUID

from generation.packs.world.draw import draw
from generation.packs.world.scene import Scene
from generation.pictures import selectors, services
from governance.kernel.actors import Actor
from governance.rights.records import Statement

SIDE_PX = 512
NAME = "teal-mug.png"
SCENE = Scene("mug", "teal", "white", light="right")
STATEMENT = Statement(
    owner="Northwind Studio",
    basis="own_work",
    people_shown="none",
    evidence="Drawn by the demo itself, in generation/packs/world; it shows no real thing.",
)


def seed(marketer: Actor, brand_id: UUID, now: datetime) -> UUID:
    """Take the picture in, unless the brand has one, and return the newest."""
    found = selectors.list_pictures(marketer, now=now, brand_id=brand_id, limit=1)
    if found:
        return found[0].id
    examined = services.examine(
        actor=marketer, brand_id=brand_id, data=_drawn(), statement=STATEMENT, now=now
    )
    return services.take_in(
        actor=marketer,
        brand_id=brand_id,
        examined=examined,
        name=NAME,
        statement=STATEMENT,
        now=now,
    ).picture.id


def _drawn() -> bytes:
    """Draw the picture as a file, the same each time."""
    file = io.BytesIO()
    image = draw(SCENE, SIDE_PX, random.Random(7))  # noqa: S311  a drawing, no secret
    image.save(file, "PNG")
    return file.getvalue()
