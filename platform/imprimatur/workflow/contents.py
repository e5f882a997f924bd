"""The exact bytes that a review is about, whatever its kind, for whoever decides without a portal.

What is answered has the digest of the case, and that it was sent is on record: a decision needs it.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from governance.kernel.actors import Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import DomainError, NotFound
from governance.review import selectors as reviews
from governance.review import services as review
from governance.review.records import CaseRecord
from templates.brands import screening
from templates.brands import selectors as brands
from templates.prompts import content as contents
from templates.prompts import selectors as prompts


class ContentDiffers(DomainError):
    """What is stored does not have the digest under review any more."""

    code = "content_differs"
    status = 409


@dataclass(frozen=True, slots=True)
class Content:
    """Exact bytes under review; for all but an image they are RFC 8785 JSON."""

    sha256: str
    media_type: str
    data: bytes


def show(*, actor: Actor, case: CaseRecord, now: datetime) -> Content:
    """Return what a case is about for somebody's screen, and record that it was sent there.

    Raises: NotFound for what the actor may not see, ContentDiffers, BlobMissing, BlobCorrupt.
    """
    media_type, data = _read(actor, case)
    sha256 = sha256_hex(data)
    if sha256 != case.subject.sha256:
        raise ContentDiffers(
            _("What is stored is not what is under review: tell the platform's administrators."),
            case_id=str(case.id),
        )
    review.record_delivery(actor=actor, subject_id=case.subject.id, sha256=sha256, now=now)
    return Content(sha256, media_type, data)


def _read(actor: Actor, case: CaseRecord) -> tuple[str, bytes]:
    if case.subject.kind == "asset":
        data, media_type = assets.read_bytes(actor, case.subject.id)
        return media_type, data
    return "application/json", _canonical(actor, case)


def _canonical(actor: Actor, case: CaseRecord) -> bytes:
    """Write again what the digest was taken over."""
    subject_id = case.subject.id
    match case.subject.kind:
        case "template_version":
            version = prompts.find_by_subject(actor, subject_id)
            if version is None:
                raise NotFound(_("The template under review is hidden from you."))
            return contents.canonical(version.content, name=version.name)
        case "review_policy":
            return canonical_json(reviews.policy_document(reviews.get_policy(actor, subject_id)))
        case "rule_set":
            rules = brands.get_rules(actor, subject_id)
            return canonical_json({"rules": screening.document_of(rules.rules)})
        case _:
            policy = brands.read_scoring_policy(actor, subject_id)
            return canonical_json(policy.document)
