"""What several screens show: brands by id, rows of orders, cards of cases, scored assets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord, ScoreRecord
from generation.jobs import selectors as jobs_reads
from generation.jobs.records import ItemRecord, JobRecord, PictureRole, Used
from generation.registry import selectors as registry
from generation.registry.states import AdapterKind
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.refusals import selectors as refusals
from governance.review import selectors as review
from governance.review.records import CaseRecord
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.web.screens import findings
from templates.brands import selectors as brands
from templates.brands.records import BrandRecord
from templates.prompts import selectors as prompts

THUMBS = 4
REVIEW_ROLES = (Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER)
OPEN_ITEM_STATES = frozenset({"queued", "leased"})
FINISHED_SHARE = 1.0


class Page(NamedTuple):
    """Where a list stands: links keep the filters of the page they are on."""

    is_first: bool
    next_after: UUID | None
    first_query: str
    next_query: str


def page_of(
    rows: Sequence[Any], size: int, after: UUID | None, filters: Mapping[str, str] | None = None
) -> tuple[Sequence[Any], Page]:
    """Cut rows that were asked for with one more than `size`, and say where the next page is."""
    kept = rows[:size]
    next_after: UUID | None = kept[-1].id if len(rows) > size else None
    kept_filters = dict(filters or {})
    return kept, Page(
        is_first=after is None,
        next_after=next_after,
        first_query=urlencode(kept_filters),
        next_query=urlencode({**kept_filters, "after": str(next_after)}) if next_after else "",
    )


def brands_by_id(actor: Actor) -> dict[UUID, BrandRecord]:
    """Return the brands that the actor may see."""
    return {brand.id: brand for brand in brands.list_brands(actor)}


def brand_name(known: Mapping[UUID, BrandRecord], brand_id: UUID | None) -> str:
    """Return a brand's name, or a dash for one that is hidden."""
    brand = known.get(brand_id) if brand_id else None
    return brand.name if brand else "–"


def may_order(actor: Actor) -> bool:
    """Tell whether the actor may order in any brand."""
    return bool(permits.brands_where(actor, Permission.GENERATION_JOB_CREATE))


def may_review(actor: Actor) -> bool:
    """Tell whether the actor holds a role that decides, in any brand."""
    return bool(actor.brands(*REVIEW_ROLES))


def may_decide_holds(actor: Actor) -> bool:
    """Tell whether the actor holds the role that decides about held images, in any brand."""
    return bool(actor.brands(jobs_reads.HOLD_ROLE))


def may_audit(actor: Actor) -> bool:
    """Tell whether the actor may read the ledger, everywhere or in any brand."""
    permission = Permission.LEDGER_ENTRY_READ
    return permits.may_everywhere(actor, permission) or bool(
        permits.brands_where(actor, permission)
    )


def order_rows(
    jobs: Iterable[JobRecord],
    known: Mapping[UUID, BrandRecord],
    names: Mapping[UUID, str],
    reader_id: UUID,
) -> list[dict[str, Any]]:
    """Return orders as rows of a list, with what became of their images."""
    jobs = list(jobs)
    subject_ids = [item.asset_id for job in jobs for item in job.items if item.asset_id]
    cases = review.find_cases_for_subjects(subject_ids) if subject_ids else {}
    return [_order_row(job, known, names, cases, reader_id) for job in jobs]


def _order_row(
    job: JobRecord,
    known: Mapping[UUID, BrandRecord],
    names: Mapping[UUID, str],
    cases: Mapping[UUID, CaseRecord],
    reader_id: UUID,
) -> dict[str, Any]:
    states = Counter(item_state(item, cases) for item in job.items)
    return {
        "id": job.id,
        "name": job.template_name,
        "brand": brand_name(known, job.brand_id),
        "market": job.market,
        "created_at": job.created_at,
        "requester": "" if job.requester_id == reader_id else names.get(job.requester_id, ""),
        "is_running": job.state != "done",
        "percent": percent_of(job),
        "tallies": [{"state": state, "count": count} for state, count in states.items()],
        "thumbs": [_thumb(item) for item in job.items[:THUMBS]],
    }


def _thumb(item: ItemRecord) -> dict[str, Any]:
    is_shown = item.state != "refused"
    return {
        "asset_id": item.asset_id if is_shown else None,
        "icon": words.state(item.state).icon,
    }


def item_state(item: ItemRecord, cases: Mapping[UUID, CaseRecord]) -> str:
    """Return what to say of an item: its review's outcome, once there is one."""
    case = cases.get(item.asset_id) if item.asset_id else None
    return item.state if case is None or case.state == "open" else case.state


def percent_of(job: JobRecord) -> int:
    """Return how much of an order is made, in percent."""
    if not job.items:
        return 100
    return round(100 * sum(item.progress_share for item in job.items) / len(job.items))


def case_cards(
    actor: Actor, cases: Iterable[CaseRecord], known: Mapping[UUID, BrandRecord]
) -> list[dict[str, Any]]:
    """Return review cases as cards; the scores' flags tell where to look first."""
    cases = list(cases)
    ids = [case.subject.id for case in cases if case.subject.kind == "asset"]
    found = assets.find_assets(actor, ids) if ids else {}
    claims = [c for case in cases for stage in case.open_stages for c in stage.claims]
    names = accounts.display_names({c.person_id for c in claims}) if claims else {}
    now = clock.now()
    return [
        {
            "id": case.id,
            "title": case.title,
            "brand": brand_name(known, case.brand_id),
            "subject_id": case.subject.id,
            "state": case.state,
            "stages": ", ".join(stage.name for stage in case.open_stages),
            "opened_at": case.opened_at,
            "asset": found.get(case.subject.id),
            "kind": words.kind(case.subject.kind),
            "flags": flags_of(found.get(case.subject.id)),
            "risk": case.risk,
            "due_at": case.due_at,
            "is_overdue": case.due_at is not None and case.due_at <= now,
            "lookers": [
                {"name": names[claim.person_id], "until": claim.until}
                for stage in case.open_stages
                for claim in stage.claims
                if claim.person_id != actor.id
            ],
        }
        for case in cases
    ]


def pictured(actor: Actor, case: CaseRecord) -> AssetRecord | None:
    """Return the image that a case is about, or None where it is about something else."""
    if case.subject.kind != "asset":
        return None
    return assets.find_assets(actor, [case.subject.id]).get(case.subject.id)


def flags_of(asset: AssetRecord | None) -> int:
    """Count the scores that broke a rule; one that could not be given is a hold, not a flag."""
    return 0 if asset is None else sum(s.verdict not in {"pass", "hold"} for s in asset.scores)


def shown_asset(
    asset: AssetRecord, *, is_calibrated: bool, twins: Mapping[UUID, AssetRecord]
) -> dict[str, Any]:
    """Return an asset with its scores in the screen's words; `twins` as `findings.twins_of`."""
    scores = findings.of(asset, twins)
    drawn = next((score["number"] for score in scores if score["is_drawn"]), None)
    for score in scores:
        # What failed is seen at once; evidence of what passed waits to be asked for.
        score["is_first_drawn"] = score["number"] == drawn and score["is_failing"]
    return {
        "id": asset.id,
        "sha256": asset.sha256,
        "width_px": asset.width_px,
        "height_px": asset.height_px,
        "size_bytes": asset.size_bytes,
        "media_type": asset.media_type,
        "is_calibrated": is_calibrated,
        "scores": scores,
    }


def image_title(template_name: str, number: int) -> str:
    """Return what one image of an order is called, as its review case is."""
    return f"{template_name} · {number}"


def origin_of(actor: Actor, job: JobRecord, item: ItemRecord, requester: str) -> dict[str, Any]:
    """Return in words what an image was made from, with its prompt and whether scores mean a thing.

    Raises: NotFound.
    """
    version = prompts.get_version(actor, job.template_version_id)
    declared = version.content["schema"]["properties"]
    profile = registry.get_profile(job.profile_id)
    facts = [
        (
            _("Template"),
            _("%(name)s, version %(number)s") % {"name": version.name, "number": version.number},
        )
    ]
    if job.variables is None:
        facts.append((_("Variables"), _("Erased")))
    for name, value in (job.variables or {}).items():
        facts.append((declared.get(name, {}).get("title") or name.replace("_", " "), str(value)))
    facts += [(_("Market"), job.market)] if job.market else []
    facts += [
        (
            str(AdapterKind(worn.adapter.kind).label).capitalize(),
            _("%(name)s, version %(number)s, strength %(strength)s")
            % {
                "name": worn.adapter.name,
                "number": worn.adapter.number,
                "strength": f"{worn.strength:g}",
            },
        )
        for worn in jobs_reads.worn_by(item.id)
    ]
    facts += [
        (_("Ordered by"), requester),
        (_("Model"), profile.name),
        (_("Seed"), str(item.seed)),
    ]
    facts += [(_("Overridden"), reason) for reason in _overridden(actor, job, item)]
    prompt = jobs_reads.prompt_of(actor, item.id)
    return {
        "facts": [{"label": label, "text": text} for label, text in facts],
        "prompt": prompt if prompt is not None else _("Erased"),
        "is_calibrated": profile.is_calibrated,
    }


def made_from(item_id: UUID) -> list[dict[str, Any]]:
    """Return the pictures that an image is made from, with what for; the actor was checked."""
    return [_made_from(used) for used in jobs_reads.pictures_of(item_id)]


def _made_from(used: Used) -> dict[str, Any]:
    words_of = {
        PictureRole.SOURCE: _("Started from"),
        PictureRole.MASK: _("Painted anew within"),
        PictureRole.REFERENCE: _("Looked at"),
        PictureRole.CONTROL: _("Followed the outlines of"),
    }
    kind = "asset" if used.asset_id else "picture"
    found = used.asset_id or used.picture_id
    details = []
    if used.strength is not None:
        details.append(_("strength %(strength)s") % {"strength": f"{used.strength:g}"})
    if used.box is not None:
        edges = (used.box.left, used.box.top, used.box.right, used.box.bottom)
        details.append(
            _("from %(left)s %%, %(top)s %% to %(right)s %%, %(bottom)s %%")
            % dict(
                zip(
                    ("left", "top", "right", "bottom"),
                    (f"{100 * edge:g}" for edge in edges),
                    strict=True,
                )
            )
        )
    return {
        "role": words_of[PictureRole(used.role)],
        "details": ", ".join(details),
        "origin": f"{kind}:{found}" if found else "",
        "picture_id": used.picture_id,
        "sha256": used.sha256,
    }


def _overridden(actor: Actor, job: JobRecord, item: ItemRecord) -> list[str]:
    """Return why an order or its image was refused, where a person overrode that since."""
    of_order = refusals.find_override_of_order(job.id)
    ids = [item.refusal_id if item.state != "refused" else None]
    ids.append(of_order.refusal_id if of_order else None)
    found = [refusals.get_refusal(actor, each) for each in ids if each is not None]
    return [f"{words.scorer(each.category)}: {each.reason}" for each in found]


def hold_reasons(asset: AssetRecord | None) -> list[str]:
    """Return in words which scorers could not judge an image, and why."""
    unsaid = _("no reason was given")
    return [
        f"{findings.name_of(score)}: {score.reason or unsaid}"
        for score in (asset.scores if asset else ())
        if score.verdict == "hold"
    ]


def flag_reasons(asset: AssetRecord | None) -> list[str]:
    """Return in words which scores broke a rule, and by how much; holds have words of their own."""
    return [
        f"{findings.name_of(score)}: {score.reason or _measured(score)}"
        for score in (asset.scores if asset else ())
        if score.verdict not in {"pass", "hold"}
    ]


def _measured(score: ScoreRecord) -> str:
    value = "–" if score.value is None else f"{score.value:.2f}"
    return _("%(value)s, but the brand asks for %(limit)s") % {
        "value": value,
        "limit": findings.limit_of(score),
    }
