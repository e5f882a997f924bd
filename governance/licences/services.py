"""Commands on licences: propose, agree, retire; each an act of a person, in the ledger."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.licences import selectors
from governance.licences.errors import TextDiffers
from governance.licences.models import Licence
from governance.licences.records import LicenceRecord, Terms
from governance.licences.states import Obligation, Purpose
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.tables.records import wait_for_others

LONGEST_NAME = 120
LARGEST_TEXT_BYTES = 262_144
LARGEST_LIMIT = Decimal(10) ** 15
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,59}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def propose_licence(
    *,
    actor: Actor,
    identifier: str,
    name: str,
    text: bytes,
    text_sha256: str,
    terms: Terms,
    now: datetime,
) -> LicenceRecord:
    """Propose a licence with its text; models run under it only after somebody else agreed.

    `text_sha256` is the digest that the proposer has read the text under.
    Raises: NotPermitted, InvalidInput; TextDiffers if the text has another digest.
    """
    require(actor, Permission.LICENCES_LICENCE_PROPOSE, Context())
    _check_words(identifier, name)
    _check_text(text, text_sha256)
    _check_terms(terms)
    with transaction.atomic():
        # Two proposals of one name at a time would take the same number.
        wait_for_others(f"licence {identifier}")
        versions = Licence.objects.filter(identifier=identifier)
        last = versions.aggregate(last=Max("number"))["last"] or 0
        row = Licence.objects.create(
            identifier=identifier,
            number=last + 1,
            name=name,
            text=text,
            text_sha256=text_sha256,
            purposes=sorted(terms.purposes),
            obligations=sorted(terms.obligations),
            revenue_limit=terms.revenue_limit,
            revenue_currency=terms.revenue_currency,
            proposed_by=actor.id,
            created_at=now,
        )
        _record(actor, Event.LICENCES_LICENCE_PROPOSED, row, now, **_facts(row))
    return selectors.record_of(row)


def agree_licence(*, actor: Actor, licence_id: UUID, now: datetime) -> LicenceRecord:
    """Agree to a proposed licence, as the second person.

    Raises: NotFound, NotPermitted for its proposer, IllegalTransition if it is agreed or retired.
    """
    with transaction.atomic():
        row = _locked(actor, licence_id)
        contributors = frozenset({row.proposed_by})
        require(actor, Permission.LICENCES_LICENCE_APPROVE, Context(contributors=contributors))
        if row.approved_by is not None:
            raise IllegalTransition(_("This licence was agreed before."), act="agree")
        if row.retired_at is not None:
            raise IllegalTransition(_("This licence was retired."), act="agree")
        # The entry comes first: the database refuses an agreement that is not recorded.
        _record(actor, Event.LICENCES_LICENCE_AGREED, row, now, **_facts(row))
        row.approved_by, row.approved_at = actor.id, now
        row.save(update_fields=["approved_by", "approved_at"])
    return selectors.record_of(row)


def retire_licence(*, actor: Actor, licence_id: UUID, now: datetime) -> LicenceRecord:
    """Take a licence out of force: from now on no order is placed under it.

    Raises: NotFound, NotPermitted, IllegalTransition if it was retired before.
    """
    with transaction.atomic():
        row = _locked(actor, licence_id)
        require(actor, Permission.LICENCES_LICENCE_RETIRE, Context())
        if row.retired_at is not None:
            raise IllegalTransition(_("This licence was retired before."), act="retire")
        row.retired_by, row.retired_at = actor.id, now
        row.save(update_fields=["retired_by", "retired_at"])
        _record(actor, Event.LICENCES_LICENCE_RETIRED, row, now, identifier=row.identifier)
    return selectors.record_of(row)


def _locked(actor: Actor, licence_id: UUID) -> Licence:
    selectors.get_licence(actor, licence_id)
    row = Licence.objects.select_for_update(no_key=True).filter(pk=licence_id).first()
    if row is None:
        raise NotFound(_("There is no such licence."), pointer="/licence_id")
    return row


def _record(actor: Actor, event: Event, row: Licence, now: datetime, **facts: Any) -> None:
    subject = SubjectRef("licence", row.id, sha256=row.text_sha256)
    ledger.append(actor=actor, event=event, subject=subject, now=now, facts=facts)


def _facts(row: Licence) -> dict[str, Any]:
    facts = {
        "identifier": row.identifier,
        "number": row.number,
        "name": row.name,
        "text_sha256": row.text_sha256,
        "purposes": list(row.purposes),
        "obligations": list(row.obligations),
    }
    if row.revenue_limit is not None:
        facts["revenue_limit"] = f"{row.revenue_limit:.2f} {row.revenue_currency}"
    return facts


def _check_words(identifier: str, name: str) -> None:
    if _IDENTIFIER.fullmatch(identifier) is None:
        raise InvalidInput(
            _("A licence is named as SPDX names it: letters, digits, dots, plus and hyphens."),
            pointer="/identifier",
            rule="pattern",
        )
    if not name.strip() or len(name) > LONGEST_NAME:
        raise InvalidInput(
            _("A name has between 1 and %(max)s characters.") % {"max": LONGEST_NAME},
            pointer="/name",
            rule="length",
        )


def _check_text(text: bytes, text_sha256: str) -> None:
    if not text.strip() or len(text) > LARGEST_TEXT_BYTES:
        raise InvalidInput(
            _("A licence's text has between 1 and %(max)s bytes.") % {"max": LARGEST_TEXT_BYTES},
            pointer="/text",
            rule="length",
        )
    if sha256_hex(text) != text_sha256:
        raise TextDiffers(
            _("The text does not have the SHA-256 that you gave: check which one you read."),
            pointer="/text_sha256",
            rule="sha256",
        )


def _check_terms(terms: Terms) -> None:
    _check_among(terms.purposes, Purpose.values, "/purposes")
    _check_among(terms.obligations, Obligation.values, "/obligations")
    if not terms.purposes:
        raise InvalidInput(
            _("A licence permits at least one purpose."), pointer="/purposes", rule="required"
        )
    _check_limit(terms.revenue_limit, terms.revenue_currency)


def _check_among(words: Sequence[str], known: Sequence[str], pointer: str) -> None:
    if len(set(words)) != len(words) or not set(words) <= set(known):
        raise InvalidInput(
            _("Choose from these, each at most once: %(words)s.") % {"words": ", ".join(known)},
            pointer=pointer,
            rule="enum",
        )


def _check_limit(limit: Decimal | None, currency: str) -> None:
    if limit is None:
        if currency:
            raise InvalidInput(
                _("A currency goes with a revenue limit."),
                pointer="/revenue_currency",
                rule="limit",
            )
        return
    if not (limit.is_finite() and 0 < limit < LARGEST_LIMIT and limit == round(limit, 2)):
        raise InvalidInput(
            _("A revenue limit is an amount above 0 with at most two decimals."),
            pointer="/revenue_limit",
            rule="range",
        )
    if _CURRENCY.fullmatch(currency) is None:
        raise InvalidInput(
            _("A currency has three capital letters, such as EUR."),
            pointer="/revenue_currency",
            rule="pattern",
        )
