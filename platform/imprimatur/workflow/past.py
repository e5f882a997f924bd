"""A brand's past images with their scores, their orders and what people said, page by page.

The work is bounded by the number that is asked for, and the memory by one page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from generation.assets import selectors as assets
from generation.assets.selectors import PastAsset
from generation.jobs import selectors as jobs
from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review
from governance.review.records import Heard
from templates.brands import selectors as brands

PAGE = 500


@dataclass(frozen=True, slots=True)
class PastImage:
    """One image: its scores, the template and market it was ordered for, and what people said."""

    asset: PastAsset
    template: str
    template_name: str
    market: str
    heard: Heard | None


def list_images(actor: Actor, brand_id: UUID, *, count: int) -> Iterator[PastImage]:
    """Yield up to `count` of a brand's images, newest first, in four queries for each page.

    Raises: NotFound for a hidden brand, NotPermitted for whoever may not see its images.
    """
    brands.get_brand(actor, brand_id)
    permits.require(actor, Permission.GENERATION_ASSET_READ, Context(brand_id=brand_id))
    return _pages(brand_id, count)


def _pages(brand_id: UUID, count: int) -> Iterator[PastImage]:
    before: UUID | None = None
    while count > 0:
        page = assets.list_past(brand_id, before=before, limit=min(PAGE, count))
        if not page:
            return
        orders = jobs.ordered_as({asset.job_id for asset in page})
        heard = review.heard_about(asset.id for asset in page)
        for asset in page:
            order = orders[asset.job_id]
            yield PastImage(
                asset=asset,
                template=order.template_slug,
                template_name=order.template_name,
                market=order.market,
                heard=heard.get(asset.id),
            )
        before, count = page[-1].id, count - len(page)
