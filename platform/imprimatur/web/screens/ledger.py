"""The ledger for those who audit: the latest checkpoint, and the entries in order."""

from typing import Any
from uuid import UUID

from governance.kernel.actors import Actor
from governance.ledger import selectors as ledger
from imprimatur.accounts import selectors as accounts
from imprimatur.web.screens import _shared

PAGE = 50


def ledger_page(actor: Actor, after: UUID | None) -> dict[str, Any]:
    """Return a page of the entries that the actor may read."""
    found = ledger.list_entries(actor=actor, after=after, limit=PAGE)
    names = accounts.display_names({entry.actor_id for entry in found.entries})
    _rows, page = _shared.page_of(found.entries, PAGE, after)
    if found.after is not None:
        page = page._replace(next_after=found.after, next_query=f"after={found.after}")
    return {
        "checkpoint": ledger.find_checkpoint(),
        "entries": [
            {
                "id": entry.id,
                "seq": entry.seq,
                "at": entry.created_at,
                "event": entry.event,
                "subject_kind": entry.subject_kind.replace("_", " "),
                "subject_id": entry.subject_id,
                "actor": names[entry.actor_id],
            }
            for entry in found.entries
        ],
        "page": page,
    }
