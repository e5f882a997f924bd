"""What an order's images are made from: its rows, and the rights that they rest on.

An image of the brand carries on what it was made from itself: whoever uses it uses those rights.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from generation.assets import selectors as assets
from generation.jobs.models import JobItem, UsedPicture
from generation.jobs.records import ItemOrder, Used
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.subjects import SubjectRef
from governance.rights import selectors as rights_reads
from governance.rights import services as rights
from governance.rights.records import Carrier

KIND = "job_item"


def carriers_of(used: Iterable[Used], brand_id: UUID) -> list[Carrier]:
    """Return the uploaded pictures whose rights carry an image made from these, by their ids."""
    found = {
        each.picture_id: Carrier(each.picture_id, each.sha256, brand_id)
        for each in used
        if each.picture_id is not None
    }
    items = [assets.get_asset(SYSTEM, each.asset_id).item_id for each in used if each.asset_id]
    behind = rights_reads.carriers_of(items, kind=KIND) if items else []
    found |= {each.id: each for each in behind}
    return [found[key] for key in sorted(found)]


def use_pictures(
    actor: Actor, rows: Sequence[JobItem], items: Sequence[ItemOrder], now: datetime
) -> list[UsedPicture]:
    """Write what the items are made from, with the rights that they rest on, in the transaction.

    The uses come first: the database refuses an uploaded picture without one. They are recorded
    picture by picture, so that two orders of the same pictures never wait for each other in a
    circle. Raises: RightsLacking, NotPermitted.
    """
    uses = [
        (carrier, row)
        for row, item in zip(rows, items, strict=True)
        for carrier in carriers_of(item.pictures, row.brand_id)
    ]
    for carrier, row in sorted(uses, key=lambda use: (use[0].id, use[1].number)):
        rights.record_use(
            actor=actor,
            subject=SubjectRef("picture", carrier.id, carrier.brand_id, carrier.sha256),
            used=SubjectRef(KIND, row.id, row.brand_id),
            now=now,
        )
    made = [
        _row(row, number, used, now)
        for row, item in zip(rows, items, strict=True)
        for number, used in enumerate(item.pictures, start=1)
    ]
    return UsedPicture.objects.bulk_create(made)


def require_rights(item_id: UUID, now: datetime) -> None:
    """Let pass an item whose pictures' rights still carry it. Raises: RightsLacking."""
    rights.require_carried(used=SubjectRef(KIND, item_id), now=now)


def facts_of(used: Used) -> dict[str, object]:
    """Write a picture as fingerprints, recipes and the ledger name it: by its digest and role."""
    box = used.box
    edges = () if box is None else (box.left, box.top, box.right, box.bottom)
    return {
        "role": used.role,
        **({"sha256": used.sha256} if used.sha256 else {}),
        **({} if used.strength is None else {"strength": str(used.strength)}),
        **({"box": [str(edge) for edge in edges]} if edges else {}),
    }


def _row(item: JobItem, number: int, used: Used, now: datetime) -> UsedPicture:
    box = used.box
    return UsedPicture(
        item_id=item.id,
        number=number,
        role=used.role,
        asset_id=used.asset_id,
        picture_id=used.picture_id,
        sha256=used.sha256,
        strength=used.strength,
        box_left=None if box is None else box.left,
        box_top=None if box is None else box.top,
        box_right=None if box is None else box.right,
        box_bottom=None if box is None else box.bottom,
        created_at=now,
    )
