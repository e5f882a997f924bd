"""The order form: the template, its fields, what the quota leaves."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.forms.boundfield import BoundField
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.jobs import selectors as jobs
from generation.pictures import selectors as pictures
from generation.pictures.records import PictureRecord
from generation.registry import selectors as registry
from governance.kernel import clock
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.quota import selectors as quota
from governance.quota.records import AccountRecord
from imprimatur.web import words
from imprimatur.web.forms.order import PREFIX, OrderForm
from imprimatur.web.forms.order_pictures import Offer
from imprimatur.web.forms.picture import last_day
from imprimatur.web.screens import _shared
from imprimatur.workflow.costs import Costs, Estimate
from imprimatur.workflow.order import Preview
from imprimatur.workflow.screening import Finding
from templates.brands import selectors as brands
from templates.prompts import selectors as prompts
from templates.prompts.records import VersionRecord

# From here on a time reads better in minutes.
MINUTES_FROM_S = 90
CENT = Decimal("0.01")
# How many pictures an order form looks through for those that may be used.
OFFERED = 48
USABLE = frozenset({"in_force", "expiring"})


def order_form(
    actor: Actor,
    version: VersionRecord,
    data: Mapping[str, Any] | None = None,
    *,
    asset: tuple[UUID | None, str] = (None, ""),
) -> OrderForm:
    """Return the form that a version's schema draws; a fresh one carries a fresh key.

    `asset` is an image that the new ones are to be made from, and the field that it is for.
    """
    looks, controls = (
        registry.names_in_use([each["slug"] for each in version.content.get(field, ())])
        for field in ("adapters", "controls")
    )
    known = {profile.slug: profile.name for profile in registry.list_profiles()}
    return OrderForm(
        version.content,
        data,
        most_variants=settings.MAX_VARIANTS,
        profiles={slug: known[slug] for slug in version.content["profiles"] if slug in known},
        idempotency_key=f"portal-{uuid7()}",
        markets=brands.get_brand(SYSTEM, version.brand_id).markets,
        looks=looks,
        controls=controls,
        offer=_offer(actor, version, has_controls=bool(controls), asset=asset),
    )


def _offer(
    actor: Actor,
    version: VersionRecord,
    *,
    has_controls: bool,
    asset: tuple[UUID | None, str],
) -> Offer:
    """Return what the version lets an order be made from; pictures are listed only for that."""
    allowed = version.content.get("pictures", {})
    found = _usable(actor, version.brand_id) if allowed or has_controls else []
    return Offer(
        allowed=allowed,
        has_controls=has_controls,
        pictures=[(f"picture:{each.id}", _picture_label(each)) for each in found],
        asset_id=asset[0],
        asset_for=asset[1],
    )


def _usable(actor: Actor, brand_id: UUID) -> list[PictureRecord]:
    """Return the brand's newest pictures whose rights carry a use now."""
    found = pictures.list_pictures(actor, now=clock.now(), brand_id=brand_id, limit=OFFERED)
    return [each for each in found if each.rights.standing(clock.now()) in USABLE]


def _picture_label(picture: PictureRecord) -> str:
    name = picture.name or _("Name erased")
    end = last_day(picture.rights.statement.expires_at)
    if end is None:
        return name
    return _("%(name)s, until %(day)s") % {"name": name, "day": date_format(end)}


def released_version(actor: Actor, template_id: UUID) -> VersionRecord:
    """Return what an order would be made from. Raises: NotFound, NothingReleased."""
    return prompts.released_version(actor, template_id)


def ordering(
    actor: Actor, version: VersionRecord, form: OrderForm, now: datetime
) -> dict[str, Any]:
    """Return the order page's facts."""
    known = _shared.brands_by_id(actor)
    return {
        "template": {
            "id": version.template_id,
            "name": version.name,
            "description": version.content.get("description", ""),
            "number": version.number,
            "brand": _shared.brand_name(known, version.brand_id),
        },
        "form": form,
        "balances": [
            _balance(account, _shared.brand_name(known, version.brand_id))
            for account in quota.list_balances(
                actor,
                user_id=actor.id,
                brand_id=version.brand_id,
                period=quota.period_of(now),
            )
        ],
    }


def wait(preview: Preview) -> str:
    """Return in words what waits before an order, and how long an image took lately if measured."""
    waiting = preview.queued_before
    if waiting >= jobs.WAITING_COUNTED:
        parts = [_("At least %(n)s images wait before yours.") % {"n": waiting}]
    elif waiting:
        parts = [
            ngettext("%(n)s image waits before yours.", "%(n)s images wait before yours.", waiting)
            % {"n": waiting}
        ]
    else:
        parts = [_("No image waits before yours.")]
    if preview.image_s is not None:
        parts.append(_("Making one takes about %(time)s.") % {"time": about(preview.image_s)})
    return " ".join(parts)


def takes(estimate: Estimate) -> list[str]:
    """Return in words what an order would take: device time, money, and what is left after it."""
    if estimate.gpu_s is None:
        lines = [
            _("How long it will take is not known: no image was made with this model and size.")
        ]
    else:
        lines = [_("Takes about %(time)s of the device's time.") % {"time": about(estimate.gpu_s)}]
    lines += _money(estimate.costs)
    if estimate.accounts:
        names = {
            "user": _("you %(n)s"),
            "brand": _("the brand %(n)s"),
            "model": _("the model %(n)s"),
        }
        left = [names[each.holder_kind] % {"n": max(each.after, 0)} for each in estimate.accounts]
        lines.append(_("Images left afterwards: %(list)s.") % {"list": ", ".join(left)})
    return lines


def marked(preview: Preview) -> list[dict[str, Any]]:
    """Return the prompt in pieces, each with whether a rule refuses it."""
    pieces: list[dict[str, Any]] = []
    at = 0
    places = [(each.start, each.end) for each in preview.findings if not each.field]
    for start, end in sorted(places):
        if start >= at:
            pieces += [
                {"text": preview.prompt[at:start], "is_refused": False},
                {"text": preview.prompt[start:end], "is_refused": True},
            ]
            at = end
    return [*pieces, {"text": preview.prompt[at:], "is_refused": False}]


def findings(preview: Preview, form: OrderForm) -> list[dict[str, Any]]:
    """Return what the rules refuse, field by field; what only the finished prompt holds comes last.

    What was found in a field is not said a second time for the prompt that it went into.
    """
    labels = {field.name.removeprefix(PREFIX): field for field in form.variable_fields}
    in_fields = {(each.category, each.found.casefold()) for each in preview.findings if each.field}
    return [
        _finding(each, str(labels[each.field].label) if each.field in labels else "", labels)
        for each in preview.findings
        if each.field or (each.category, each.found.casefold()) not in in_fields
    ]


def _finding(finding: Finding, label: str, fields: Mapping[str, BoundField]) -> dict[str, Any]:
    field = fields.get(finding.field)
    return {
        "label": label,
        "anchor": field.id_for_label or field.auto_id if field else "",
        "found": finding.found,
        "rule": finding.category.replace("_", " "),
        "reason": finding.reason,
        "next_step": finding.next_step,
        "who": words.role(finding.overridable_by),
    }


def short(estimate: Estimate) -> list[str]:
    """Return in words which account is too small for an order."""
    sentences = {
        "user": _("You have %(n)s images left this month."),
        "brand": _("The brand has %(n)s images left this month."),
        "model": _("The model has %(n)s images left this month."),
    }
    return [
        sentences[each.holder_kind] % {"n": each.left}
        for each in estimate.accounts
        if each.after < 0
    ]


def _money(costs: Costs) -> list[str]:
    own = _amount(costs.own, costs.currency)
    hosted = _amount(costs.hosted, costs.currency)
    if own and hosted:
        both = {"own": own, "hosted": hosted}
        return [_("Costs about %(own)s here, %(hosted)s at a hosted service.") % both]
    if own:
        return [_("Costs about %(own)s here.") % {"own": own}]
    return [_("A hosted service would ask %(hosted)s.") % {"hosted": hosted}] if hosted else []


def _amount(amount: Decimal | None, currency: str) -> str:
    """Return an amount with its currency, no more precise than it is worth."""
    if amount is None:
        return ""
    if 0 < amount < CENT:
        return _("less than %(amount)s") % {"amount": f"{CENT} {currency}"}
    return f"{amount.quantize(CENT)} {currency}"


def about(seconds: float) -> str:
    """Return a measured time, no more precise than it is worth."""
    if seconds < 1:
        return _("a second")
    if seconds < MINUTES_FROM_S:
        return _("%(n)s s") % {"n": round(seconds)}
    return _("%(n)s min") % {"n": round(seconds / 60)}


def objection(error: DomainError) -> str:
    """Return a refusal as it stands beside its field: the words, then why."""
    found = error.facts.get("found")
    return f"“{found}”: {error.detail}" if found else error.detail


def refusal(error: DomainError) -> dict[str, Any]:
    """Return a refused order in words: rule, reason, who may override, the record."""
    facts = error.facts
    is_quota = error.code == "quota_exceeded"
    role = facts.get("overridable_by") or ("platform_admin" if is_quota else "")
    return {
        "title": (
            _("The quota does not allow this order")
            if is_quota
            else _("This order was refused before anything was rendered")
        ),
        "reason": error.detail,
        "category": "" if is_quota else str(facts.get("category", "")).replace("_", " "),
        "found": facts.get("found", ""),
        "next_step": facts.get("next_step", ""),
        "overridable_by": words.role(str(role)) if role else "",
        "id": facts.get("refusal_id", ""),
        "note": _("It cost no quota, and the refusal is on record."),
    }


def _balance(account: AccountRecord, brand: str) -> dict[str, Any]:
    names = {"user": _("You"), "brand": brand}
    return {
        "name": names.get(account.holder_kind, account.holder_kind),
        "left": account.available,
        "granted": account.granted,
        "used": account.reserved + account.spent,
    }
