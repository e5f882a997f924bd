"""What is said about places in an image: the list on a review's page, and one thread alone."""

from typing import Any
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from governance.review import selectors as review
from governance.review.records import AnnotationRecord, CaseRecord
from imprimatur.accounts import selectors as accounts
from imprimatur.web.pictograms import Mark
from imprimatur.web.screens import _shared
from imprimatur.workflow.rosters import roster_of

READERS = (Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER, Role.BRAND_MANAGER, Role.AUDITOR)


def on_page(actor: Actor, case: CaseRecord) -> dict[str, Any]:
    """Return a case's threads and its other versions, for the review's page."""
    found = review.list_annotations(actor, case.id)
    names = accounts.display_names(_people(found))
    versions = review.lineage(actor, case.subject.id)
    said = [_annotation(one, names, n) for n, one in enumerate(found, start=1)]
    return {
        "marks": [one["mark"] for one in said],
        "annotations": said,
        "can_write": review.may_write(actor, case.id),
        "versions": [
            {
                "case_id": version.case_id,
                "title": version.title,
                "state": version.case_state,
                "at": version.registered_at,
                "is_this": version.case_id == case.id,
                "open": version.open_annotations,
            }
            for version in versions
            if len(versions) > 1
        ],
    }


def remark_page(actor: Actor, case_id: UUID) -> dict[str, Any]:
    """Return what the page for a new remark shows. Raises: NotFound."""
    case = review.get_case(actor, case_id)
    found = review.list_annotations(actor, case.id)
    return {
        "case": _case(actor, case),
        "marks": [_mark(one, number) for number, one in enumerate(found, start=1)],
        "can_write": review.may_write(actor, case.id),
        "people": people(case),
    }


def thread_page(actor: Actor, annotation_id: UUID) -> dict[str, Any]:
    """Return one thread alone. Raises: NotFound."""
    found = review.get_annotation(actor, annotation_id)
    case = review.get_case(actor, found.case_id)
    names = accounts.display_names(_people([found]))
    all_ids = [one.id for one in review.list_annotations(actor, case.id)]
    said = _annotation(found, names, all_ids.index(found.id) + 1)
    return {
        "annotation": said,
        "marks": [said["mark"]],
        "case": _case(actor, case),
        "can_write": review.may_write(actor, case.id, found.author_id),
        "people": people(case),
    }


def people(case: CaseRecord) -> list[tuple[UUID, str]]:
    """Return who can be mentioned, by name: those who read the brand's cases, and the requester."""
    roster = roster_of(case.brand_id)
    found = frozenset[UUID]().union(*(roster.get(role, frozenset()) for role in READERS))
    present = frozenset[UUID]().union(*roster.values())
    names = accounts.display_names(found | ({case.requested_by} & present))
    return sorted(names.items(), key=lambda each: each[1].casefold())


def _case(actor: Actor, case: CaseRecord) -> dict[str, Any]:
    return {
        "id": case.id,
        "title": case.title,
        "state": case.state,
        "sha256": case.subject.sha256,
        "asset": _shared.pictured(actor, case),
    }


def _people(found: Any) -> set[UUID]:
    people = {one.author_id for one in found}
    people |= {one.resolved_by for one in found if one.resolved_by}
    return people | {reply.author_id for one in found for reply in one.replies}


def _annotation(one: AnnotationRecord, names: dict[UUID, str], number: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "number": number,
        "mark": _mark(one, number),
        "is_box": one.width is not None,
        "x": _percent(one.x),
        "y": _percent(one.y),
        "width": _percent(one.width or 0.0),
        "height": _percent(one.height or 0.0),
        "author": names[one.author_id],
        "text": one.text,
        "at": one.created_at,
        "resolved_by": names[one.resolved_by] if one.resolved_by else "",
        "replies": [
            {"author": names[reply.author_id], "text": reply.text, "at": reply.created_at}
            for reply in one.replies
        ],
    }


def _mark(one: AnnotationRecord, number: int) -> Mark:
    return Mark(one.x, one.y, one.width, one.height, number, one.resolved_by is not None)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
