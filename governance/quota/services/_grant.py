"""Grants: an act of a person who does not hold the account, recorded, and then an entry."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.quota.models import Account, Entry
from governance.quota.periods import is_period
from governance.quota.records import AccountRecord
from governance.quota.selectors import record_of
from governance.quota.states import EntryKind, HolderKind, Unit

LARGEST_GRANT = 1_000_000_000


def grant(
    *,
    actor: Actor,
    holder_kind: str,
    holder_id: UUID,
    brand_id: UUID | None,
    period: str,
    amount: int,
    now: datetime,
) -> AccountRecord:
    """Add `amount` images to a holder's account for `period`, opening the account if need be.

    A user's account is in a brand (`brand_id`); a brand's names itself (`brand_id` equals
    `holder_id`); a model's belongs to the installation (`brand_id` is None).
    Raises: NotPermitted for anybody but a platform admin, and for oneself; InvalidInput.
    """
    permits.require(
        actor,
        Permission.QUOTA_ACCOUNT_GRANT,
        Context(brand_id=brand_id, contributors=frozenset({holder_id})),
    )
    check_holder(holder_kind, holder_id, brand_id)
    check_period(period)
    check_amount(amount)
    with transaction.atomic():
        return add_grant(
            actor=actor,
            holder_kind=holder_kind,
            holder_id=holder_id,
            brand_id=brand_id,
            period=period,
            amount=amount,
            now=now,
        )


def add_grant(
    *,
    actor: Actor,
    holder_kind: str,
    holder_id: UUID,
    brand_id: UUID | None,
    period: str,
    amount: int,
    now: datetime,
    request_id: UUID | None = None,
) -> AccountRecord:
    """Record a grant and enter it, in the caller's transaction; the caller has asked who may."""
    opened, _created = Account.objects.get_or_create(
        holder_kind=holder_kind,
        holder_id=holder_id,
        brand_id=brand_id,
        unit=Unit.IMAGE,
        period=period,
        defaults={"created_at": now},
    )
    account = Account.objects.select_for_update().get(id=opened.id)
    facts: dict[str, object] = {
        "holder_kind": holder_kind,
        "holder_id": str(holder_id),
        "unit": account.unit,
        "period": period,
        "amount": amount,
        "granted_before": account.granted,
    }
    if request_id is not None:
        facts["request_id"] = str(request_id)
    entry_id = ledger.append(
        actor=actor,
        event=Event.QUOTA_ACCOUNT_GRANTED,
        subject=SubjectRef("quota_account", account.id, brand_id),
        now=now,
        facts=facts,
    )
    Entry(
        created_at=now,
        account=account,
        number=account.entries + 1,
        kind=EntryKind.GRANT,
        amount=amount,
        granted_by=actor.id,
        recorded_as=entry_id,
        request_id=request_id,
    ).save(force_insert=True)
    account.refresh_from_db()
    return record_of(account)


def check_holder(holder_kind: str, holder_id: UUID, brand_id: UUID | None) -> None:
    """Let pass a holder that fits its brand. Raises: InvalidInput."""
    if holder_kind not in HolderKind.values:
        raise InvalidInput(
            _("A quota is held by a user, a brand or a model."),
            pointer="/holder_kind",
            rule="enum",
        )
    fits = {
        HolderKind.USER.value: brand_id is not None,
        HolderKind.BRAND.value: brand_id == holder_id,
        HolderKind.MODEL.value: brand_id is None,
    }
    if not fits[holder_kind]:
        raise InvalidInput(
            _(
                "A user's quota is for one brand, a brand's quota names the brand itself, "
                "and a model's quota names no brand."
            ),
            pointer="/brand_id",
            rule="holder",
        )


def check_period(period: str) -> None:
    """Let pass a month. Raises: InvalidInput."""
    if not is_period(period):
        raise InvalidInput(
            _("A period is a month, written like 2026-11."), pointer="/period", rule="pattern"
        )


def check_amount(amount: int, most: int = LARGEST_GRANT) -> None:
    """Let pass a whole number of images, from 1 to `most`. Raises: InvalidInput."""
    if type(amount) is not int or not 1 <= amount <= most:
        raise InvalidInput(
            _("A grant is a whole number from 1 to %(largest)d.") % {"largest": most},
            pointer="/amount",
            rule="range",
        )
