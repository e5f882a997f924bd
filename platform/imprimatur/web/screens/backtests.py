"""What a proposed scoring policy would have changed, for its reviewers: reports in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord
from governance.kernel.actors import Actor
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review
from governance.review.records import CaseRecord, ExhibitRecord
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.workflow import backtest

KIND = "scoring_policy"
OUTCOMES = ("pass", "flag", "hold", "refuse", "cannot_tell")


def on_page(actor: Actor, case: CaseRecord) -> dict[str, Any] | None:
    """Return the reports filed with a scoring policy's case, the newest whole; None for others."""
    if case.subject.kind != KIND:
        return None
    filed = review.list_exhibits(actor, case.subject.id)
    may_run = case.state == "open" and permits.may(
        actor, Permission.REVIEW_EXHIBIT_FILE, Context(brand_id=case.brand_id)
    )
    return {
        "policy_id": case.subject.id,
        "newest": shown(actor, filed[0]) if filed else None,
        "older": [{"id": each.id, "at": each.created_at} for each in filed[1:]],
        "may_run": may_run,
        "counts": [100, 1_000, backtest.MOST],
        "usual": backtest.USUAL,
    }


def report_page(actor: Actor, exhibit_id: UUID) -> dict[str, Any]:
    """Return one report as a page of its own. Raises: NotFound."""
    exhibit = review.get_exhibit(actor, exhibit_id)
    case = review.find_case_for_subject(exhibit.subject_id)
    return {
        "report": shown(actor, exhibit),
        "case_id": None if case is None else case.id,
        "title": "" if case is None else case.title,
    }


def shown(actor: Actor, exhibit: ExhibitRecord) -> dict[str, Any]:
    """Return a report in the screen's words, with those of its images that the actor may see."""
    document: Mapping[str, Any] = exhibit.document
    whole, people = document["whole"], document["people"]
    names = [image_id for ids in document["samples"].values() for image_id in ids]
    images = assets.find_assets(actor, map(UUID, names)) if names else {}
    return {
        "id": exhibit.id,
        "sha256": exhibit.document_sha256,
        "policy_sha256": exhibit.sha256,
        "by": accounts.display_name(exhibit.filed_by),
        "at": exhibit.created_at,
        "assets": whole["assets"],
        "changed": whole["changed"],
        "from": _time(document["from"]),
        "to": _time(document["to"]),
        "summary": _summary(whole),
        "moves": [_move(each) for each in document["moves"] if each["was"] != each["now"]],
        "same": sum(each["assets"] for each in document["moves"] if each["was"] == each["now"]),
        "scorers": [_scorer(each) for each in document["scorers"]],
        "markets": [_row(each, each["market"] or _("None")) for each in document["markets"]],
        "templates": [_row(each, _template(each)) for each in document["templates"]],
        "people": people,
        "against": [
            {
                "count": people[key],
                "text": text,
                "images": _images(images, document["samples"].get(key, ())),
            }
            for key, text in _against()
            if people[key]
        ],
        "samples": [
            {"text": text, "images": _images(images, document["samples"].get(key, ()))}
            for key, text in (
                ("stricter", _("Judged more strictly")),
                ("milder", _("Judged more mildly")),
            )
            if document["samples"].get(key)
        ],
    }


def _summary(whole: Mapping[str, Any]) -> str:
    if not whole["assets"]:
        return _("This brand had no images yet, so there was nothing to hold against the policy.")
    return ngettext(
        "It would have judged %(changed)s of %(n)s image otherwise.",
        "It would have judged %(changed)s of %(n)s images otherwise.",
        whole["assets"],
    ) % {"changed": whole["changed"], "n": whole["assets"]}


def _against() -> tuple[tuple[str, str], ...]:
    return (
        ("approved_now_refuse", _("Approved by people, and it would refuse them")),
        ("approved_now_hold", _("Approved by people, and it would hold them")),
        ("rejected_now_pass", _("Turned down by people, and it would let them pass")),
    )


def _move(move: Mapping[str, Any]) -> dict[str, Any]:
    return {"was": move["was"], "now": move["now"], "assets": move["assets"]}


def _scorer(each: Mapping[str, Any]) -> dict[str, Any]:
    reasons = {
        "not_measured": _("not measured then"),
        "other_version": _("measured by another version"),
        "unknown_direction": _("the record lacks which way it points"),
    }
    return {
        **_row(each, words.scorer(each["scorer"])),
        "doubts": [
            {"reason": reasons.get(reason, reason), "count": count}
            for reason, count in each["cannot_tell"].items()
        ],
    }


def _row(each: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {
        "name": name,
        "assets": each["assets"],
        "changed": each["changed"],
        "counts": [
            {"was": each["was"].get(outcome, 0), "now": each["now"].get(outcome, 0)}
            for outcome in OUTCOMES
        ],
    }


def _template(each: Mapping[str, Any]) -> str:
    return _("All others") if each["template"] == "*" else each.get("name") or each["template"]


def _images(found: Mapping[UUID, AssetRecord], names: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": asset.id,
            "job_id": asset.job_id,
            "width_px": asset.width_px,
            "height_px": asset.height_px,
        }
        for asset in (found.get(UUID(name)) for name in names)
        if asset is not None
    ]


def _time(text: str) -> datetime | None:
    return parse_datetime(text) if text else None
