"""What was used: images, device time and money, per person, brand, model and licence."""

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from generation.registry import selectors as registry
from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.licences import selectors as licences
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.quota import selectors as quota
from governance.quota.periods import is_period
from governance.quota.records import AccountRecord
from imprimatur.workflow.costs import Costs, costs_of

MS = 1000


@dataclass(frozen=True, slots=True)
class Use:
    """What one holder used in one period; `id` is the account's."""

    id: UUID
    holder_kind: str
    holder_id: UUID
    brand_id: UUID | None
    period: str
    images: int
    gpu_s: float
    costs: Costs


@dataclass(frozen=True, slots=True)
class LicenceUse:
    """What was made under one licence in one period, over all models that run under it."""

    licence_id: UUID
    period: str
    images: int
    gpu_s: float
    models: int


def list_usage(
    actor: Actor,
    *,
    period: str,
    brand_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Use]:
    """Return a page of what the accounts that the actor may see have used. Raises: InvalidInput."""
    _check_period(period)
    accounts = quota.list_usage(actor, period=period, brand_id=brand_id, after=after, limit=limit)
    return [_use_of(account) for account in accounts]


def licence_usage(actor: Actor, *, licence_id: UUID, period: str) -> LicenceUse:
    """Return a licence's counter for one month, derived from what its models' accounts spent.

    Raises: NotFound, InvalidInput; NotPermitted for whoever may not see the models' accounts.
    """
    licence = licences.get_licence(actor, licence_id)
    require(actor, Permission.QUOTA_ACCOUNT_READ, Context())
    _check_period(period)
    accounts = quota.spent_by_models(registry.profiles_under(licence.id), period).values()
    return LicenceUse(
        licence_id=licence.id,
        period=period,
        images=sum(account.spent for account in accounts),
        gpu_s=sum(account.gpu_ms for account in accounts) / MS,
        models=len(accounts),
    )


def _use_of(account: AccountRecord) -> Use:
    gpu_s = account.gpu_ms / MS
    return Use(
        id=account.id,
        holder_kind=account.holder_kind,
        holder_id=account.holder_id,
        brand_id=account.brand_id,
        period=account.period,
        images=account.spent,
        gpu_s=gpu_s,
        costs=costs_of(images=account.spent, gpu_s=gpu_s),
    )


def _check_period(period: str) -> None:
    if not is_period(period):
        raise InvalidInput(
            _("A period is a month, written like 2026-11."), parameter="period", rule="pattern"
        )
