"""What a person was told, newest first, each with the review that it leads to."""

from typing import Any
from uuid import UUID

from governance.kernel.actors import Actor
from governance.notices import selectors as notices
from governance.review import selectors as review
from imprimatur.web import words
from imprimatur.web.screens import _shared

PAGE = 30


def page(actor: Actor, after: UUID | None) -> dict[str, Any]:
    """Return a page of notices; a review that the person may not see has no title and no link."""
    found = notices.list_notices(actor, after=after, limit=PAGE + 1)
    kept, paging = _shared.page_of(found, PAGE, after)
    titles = review.titles_of(actor, {one.case_id for one in kept if one.case_id is not None})
    known = _shared.brands_by_id(actor)
    return {
        "notices": [
            {
                "id": one.id,
                "word": words.notice(one.kind),
                "title": titles.get(one.case_id, "") if one.case_id else "",
                "brand": _shared.brand_name(known, one.brand_id),
                "at": one.created_at,
                "is_unread": one.read_at is None,
            }
            for one in kept
        ],
        "has_unread": bool(notices.list_notices(actor, unread=True, limit=1)),
        "page": paging,
    }
