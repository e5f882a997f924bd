"""What an order will take, said before it is placed: device time, quota, and money as Decimal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID

from django.conf import settings

from governance.kernel.actors import Actor
from governance.policy.permissions import Permission
from governance.policy.permits import may
from governance.policy.predicates import Context
from governance.quota import selectors as quota
from governance.quota.records import AccountRecord

# A hundredth of a cent: one image on one's own device can cost less than a cent.
SMALLEST = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Costs:
    """What images cost here and at a hosted service; None where no price or no time is known."""

    own: Decimal | None
    hosted: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class AccountAfter:
    """One of an order's three accounts: what is left now, and after it (below 0: it is refused)."""

    holder_kind: str
    left: int
    after: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an order would take; `gpu_s` is None until one image of that model and size was made.

    `accounts` is empty for whoever may not order.
    """

    images: int
    gpu_s: float | None
    costs: Costs
    accounts: tuple[AccountAfter, ...]


def costs_of(*, images: int, gpu_s: float | None) -> Costs:
    """Price images and device time as the installation's settings say."""
    own_price: Decimal | None = settings.PRICE_PER_GPU_SECOND
    hosted_price: Decimal | None = settings.HOSTED_PRICE_PER_IMAGE
    has_own = own_price is not None and gpu_s is not None
    return Costs(
        own=_money((own_price or 0) * Decimal(f"{gpu_s or 0:.3f}")) if has_own else None,
        hosted=None if hosted_price is None else _money(hosted_price * images),
        currency=settings.PRICE_CURRENCY,
    )


def estimate(
    *,
    actor: Actor,
    brand_id: UUID,
    profile_id: UUID,
    images: int,
    image_s: float | None,
    now: datetime,
) -> Estimate:
    """Say what so many images would take, of which one lately took `image_s`."""
    gpu_s = None if image_s is None else image_s * images
    may_order = may(actor, Permission.GENERATION_JOB_CREATE, Context(brand_id=brand_id))
    found: Mapping[str, AccountRecord | None] = (
        quota.room(
            user_id=actor.id,
            brand_id=brand_id,
            profile_id=profile_id,
            period=quota.period_of(now),
        )
        if may_order
        else {}
    )
    lefts = {kind: account.available if account else 0 for kind, account in found.items()}
    return Estimate(
        images=images,
        gpu_s=gpu_s,
        costs=costs_of(images=images, gpu_s=gpu_s),
        accounts=tuple(AccountAfter(kind, left, left - images) for kind, left in lefts.items()),
    )


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(SMALLEST, rounding=ROUND_HALF_EVEN)
