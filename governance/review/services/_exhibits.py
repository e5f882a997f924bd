"""Files documents with what is under review.

What a document says is its maker's business; here it gets its digest, its place and its entry.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors
from governance.review.models import Exhibit
from governance.review.records import ExhibitRecord
from governance.review.services import _turns
from governance.review.services._cases import lock_case
from governance.review.services._threads import CaseClosed
from governance.review.states import CaseState, ExhibitKind

MAX_DOCUMENT_BYTES = 512 * 1024


def file_exhibit(
    *,
    actor: Actor,
    subject_id: UUID,
    sha256: str,
    kind: str,
    document: Mapping[str, Any],
    facts: Mapping[str, Any],
    now: datetime,
) -> ExhibitRecord:
    """File a document with a subject whose review is open; it stays with it for good.

    `sha256` is of the subject's content that the document is about; `facts` go into the ledger
    beside the document's digest.
    Raises: NotFound, NotPermitted, InvalidInput, CaseClosed.
    """
    data = _canonical(kind, document)
    found = selectors.find_case_for_subject(subject_id)
    if found is None:
        raise NotFound(_("There is no review case for this."))
    with transaction.atomic():
        case = lock_case(actor, found.id)
        permits.require(actor, Permission.REVIEW_EXHIBIT_FILE, Context(brand_id=case.brand_id))
        if case.state != CaseState.OPEN:
            raise CaseClosed(
                _("The review is over: a document is filed while it is open."), case_id=str(case.id)
            )
        if case.sha256 != sha256:
            raise InvalidInput(
                _("The document is about other content than what is under review."),
                pointer="/sha256",
                rule="sha256",
            )
        exhibit = Exhibit.objects.create(
            subject_id=subject_id,
            sha256=case.sha256,
            brand_id=case.brand_id,
            kind=kind,
            document=dict(document),
            document_sha256=sha256_hex(data),
            filed_by=actor.id,
            created_at=now,
        )
        _turns.append(
            actor,
            Event.REVIEW_EXHIBIT_FILED,
            case,
            now,
            {
                **facts,
                "case_id": str(case.id),
                "exhibit_id": str(exhibit.id),
                "kind": kind,
                "document_sha256": exhibit.document_sha256,
            },
        )
    return selectors.exhibit_record(exhibit)


def _canonical(kind: str, document: Mapping[str, Any]) -> bytes:
    if kind not in ExhibitKind.values:
        raise InvalidInput(
            _("“%(kind)s” is not a kind of document.") % {"kind": kind},
            pointer="/kind",
            rule="enum",
        )
    data = canonical_json(document)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise InvalidInput(
            _("A document has at most %(max)s bytes.") % {"max": MAX_DOCUMENT_BYTES},
            pointer="/document",
            rule="max_length",
        )
    return data
