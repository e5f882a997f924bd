"""Commands on rights: state, restate, confirm, withdraw, use; each an act that the ledger keeps."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.digests import is_sha256
from governance.kernel.errors import InvalidInput
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.rights import selectors
from governance.rights.errors import HadAPart, ReasonRequired, RightsLacking
from governance.rights.models import RightsRecord as Row
from governance.rights.models import Use
from governance.rights.records import RightsRecord, Statement, UseRecord
from governance.rights.states import NAMED, RIGHTS, Basis, PeopleShown, RightsState
from governance.sealing import services as sealing
from governance.tables.records import move, wait_for_others

# All texts together, sealed, fit into one entry of the ledger.
LONGEST = {"owner": 200, "reference": 300, "consent": 500, "evidence": 1000}
LONGEST_REASON = 1000


def record_rights(
    *, actor: Actor, subject: SubjectRef, statement: Statement, now: datetime
) -> RightsRecord:
    """State the rights in a registered subject's bytes; a version that stood is replaced.

    Without people the statement holds at once. Where people are shown, or an earlier version showed
    some or was withdrawn, it waits for a second person.
    Raises: NotPermitted, InvalidInput.
    """
    if subject.brand_id is None or subject.sha256 is None:
        message = "rights are stated for exact bytes in a brand"
        raise ValueError(message)
    permits.require(actor, Permission.RIGHTS_RECORD_CREATE, Context(brand_id=subject.brand_id))
    check_statement(statement, now=now)
    with transaction.atomic():
        wait_for_others(_lock(subject.id))
        earlier = list(Row.objects.filter(subject_id=subject.id).order_by("number"))
        for row in earlier[-1:]:
            move(row, RIGHTS.target("replace", row.state))
        waits = statement.people_shown != PeopleShown.NONE or any(
            row.people_shown != PeopleShown.NONE or row.withdrawn_at is not None for row in earlier
        )
        sealed = _sealed(actor, statement)
        made = Row.objects.create(
            subject_id=subject.id,
            sha256=subject.sha256,
            brand_id=subject.brand_id,
            number=len(earlier) + 1,
            state=RightsState.WAITING if waits else RightsState.IN_FORCE,
            basis=statement.basis,
            people_shown=statement.people_shown,
            valid_from=statement.valid_from,
            expires_at=statement.expires_at,
            evidence_sha256=statement.evidence_sha256,
            recorded_by=actor.id,
            created_at=now,
            **sealed,
        )
        _append(actor, Event.RIGHTS_RECORD_STATED, made, now, _facts(made), sealed)
    return selectors.records_of([made])[0]


def confirm_rights(
    *, actor: Actor, record_id: UUID, contributors: frozenset[UUID], now: datetime
) -> RightsRecord:
    """Confirm a waiting statement, as a data steward who had no part in the picture.

    `contributors` had a part in it, by the review's record; the database asks that record itself.
    Raises: NotFound, NotPermitted, HadAPart, IllegalTransition, StaleState.
    """
    with transaction.atomic():
        row = selectors.find_row(actor, record_id)
        wait_for_others(_lock(row.subject_id))
        row.refresh_from_db()
        stated = Row.objects.filter(subject_id=row.subject_id).values_list("recorded_by", flat=True)
        _require_no_part(actor, row.brand_id, contributors | frozenset(stated))
        transition = RIGHTS.target("confirm", row.state)
        # The entry comes first: the database refuses a confirmation that is not recorded.
        _append(actor, Event.RIGHTS_RECORD_CONFIRMED, row, now, _facts(row))
        move(row, transition, confirmed_by=actor.id, confirmed_at=now)
    return selectors.records_of([row])[0]


def withdraw_rights(*, actor: Actor, record_id: UUID, reason: str, now: datetime) -> RightsRecord:
    """Withdraw the rights that stand, for good; nothing new rests on the picture from now on.

    Raises: NotFound, NotPermitted, ReasonRequired, InvalidInput, IllegalTransition, StaleState.
    """
    with transaction.atomic():
        row = selectors.find_row(actor, record_id)
        context = Context(brand_id=row.brand_id, owner_id=row.recorded_by)
        permits.require(actor, Permission.RIGHTS_RECORD_WITHDRAW, context)
        _check_reason(reason)
        wait_for_others(_lock(row.subject_id))
        row.refresh_from_db()
        transition = RIGHTS.target("withdraw", row.state)
        purpose = selectors.PURPOSES["withdraw_reason"]
        sealed = sealing.seal(person_id=actor.id, text=reason.strip(), purpose=purpose)
        facts = {"uses": Use.objects.filter(subject_id=row.subject_id).count()}
        _append(actor, Event.RIGHTS_RECORD_WITHDRAWN, row, now, facts, {"reason": sealed})
        move(row, transition, withdrawn_by=actor.id, withdrawn_at=now, withdraw_reason=sealed)
    return selectors.records_of([row])[0]


def require_usable(*, subject_id: UUID, sha256: str, brand_id: UUID, now: datetime) -> None:
    """Let pass bytes whose rights carry a use now. Raises: RightsLacking with its category."""
    found = selectors.objection(subject_id=subject_id, sha256=sha256, brand_id=brand_id, now=now)
    if found is not None:
        raise RightsLacking(found.reason, category=str(found.category), picture_id=str(subject_id))


def require_carried(*, used: SubjectRef, now: datetime) -> None:
    """Let pass what rests only on rights that still carry it. Raises: RightsLacking."""
    for subject in selectors.carriers_of([used.id], kind=used.kind):
        require_usable(
            subject_id=subject.id, sha256=subject.sha256, brand_id=subject.brand_id, now=now
        )


def record_use(*, actor: Actor, subject: SubjectRef, used: SubjectRef, now: datetime) -> UseRecord:
    """Record in the caller's transaction that `used` rests on a subject's rights; twice is once.

    Raises: NotPermitted; RightsLacking if they do not carry it.
    """
    if subject.brand_id is None or subject.sha256 is None:
        message = "a use is of exact bytes in a brand"
        raise ValueError(message)
    permits.require(actor, Permission.RIGHTS_RECORD_USE, Context(brand_id=subject.brand_id))
    with transaction.atomic():
        wait_for_others(_lock(subject.id))
        known = Use.objects.filter(
            subject_id=subject.id, used_kind=used.kind, used_id=used.id
        ).first()
        if known is not None:
            return selectors.use_of(known)
        require_usable(
            subject_id=subject.id, sha256=subject.sha256, brand_id=subject.brand_id, now=now
        )
        standing = selectors.standing_of([subject.id])[subject.id]
        made = Use.objects.create(
            record_id=standing.id,
            subject_id=subject.id,
            sha256=subject.sha256,
            brand_id=subject.brand_id,
            used_kind=used.kind,
            used_id=used.id,
            used_by=actor.id,
            created_at=now,
        )
        ledger.append(
            actor=actor,
            event=Event.RIGHTS_USE_RECORDED,
            subject=SubjectRef(used.kind, used.id, subject.brand_id),
            now=now,
            facts={"picture_id": str(subject.id), "record_id": str(made.record_id)},
        )
    return selectors.use_of(made)


def check_statement(statement: Statement, *, now: datetime) -> None:
    """Let pass a statement that could be recorded. Raises: InvalidInput naming field and rule."""
    _check_among(statement.basis, Basis.values, "/basis")
    _check_among(statement.people_shown, PeopleShown.values, "/people_shown")
    for name, longest in LONGEST.items():
        _check_length(getattr(statement, name) or "", longest, f"/{name}")
    if statement.biometric_use:
        raise InvalidInput(
            _("No picture is taken in for biometric use: nobody is identified by one."),
            pointer="/biometric_use",
            rule="refused",
        )
    _check_present(statement)
    _check_dates(statement, now)


def _check_present(statement: Statement) -> None:
    needed = {"owner": _("Say who owns the picture.")}
    if statement.basis in NAMED:
        needed["reference"] = _("Name the licence or the contract.")
    if statement.people_shown != PeopleShown.NONE:
        needed["consent"] = _("Say where the consent of the people shown is on file.")
    if not statement.evidence_sha256:
        needed["evidence"] = _("Say where the proof of these rights lies.")
    elif not is_sha256(statement.evidence_sha256):
        raise InvalidInput(
            _("The digest must be a SHA-256 in lower-case hex."),
            pointer="/evidence_sha256",
            rule="sha256",
        )
    for name, sentence in needed.items():
        if not (getattr(statement, name) or "").strip():
            raise InvalidInput(sentence, pointer=f"/{name}", rule="required")


def _check_dates(statement: Statement, now: datetime) -> None:
    begins, ends = statement.valid_from, statement.expires_at
    if ends is not None and ends <= now:
        raise InvalidInput(
            _("These rights have expired already."), pointer="/expires_at", rule="expired"
        )
    if begins is not None and ends is not None and ends <= begins:
        raise InvalidInput(_("Rights end after they begin."), pointer="/expires_at", rule="range")


def _check_among(word: str, known: Sequence[str], pointer: str) -> None:
    if word not in known:
        raise InvalidInput(
            _("Choose from these: %(words)s.") % {"words": ", ".join(known)},
            pointer=pointer,
            rule="enum",
        )


def _check_length(text: str, longest: int, pointer: str) -> None:
    if len(text) > longest:
        raise InvalidInput(
            _("This has at most %(max)s characters.") % {"max": longest},
            pointer=pointer,
            rule="max_length",
        )


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonRequired(
            _("Say why the rights are withdrawn."), pointer="/reason", rule="required"
        )
    _check_length(reason, LONGEST_REASON, "/reason")


def _require_no_part(actor: Actor, brand_id: UUID, contributors: frozenset[UUID]) -> None:
    alone = Context(brand_id=brand_id)
    permission = Permission.RIGHTS_RECORD_CONFIRM
    if actor.id in contributors and permits.may(actor, permission, alone):
        raise HadAPart(
            _("You brought this picture or stated its rights, so somebody else confirms them.")
        )
    permits.require(actor, permission, Context(brand_id=brand_id, contributors=contributors))


def _sealed(actor: Actor, statement: Statement) -> dict[str, bytes]:
    """Seal the texts that are given, each for its column, under whoever states them."""
    texts = {name: (getattr(statement, name) or "").strip() for name in LONGEST}
    return {
        name: sealing.seal(person_id=actor.id, text=text, purpose=selectors.PURPOSES[name])
        for name, text in texts.items()
        if text
    }


def _facts(row: Row) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "picture_id": str(row.subject_id),
        "number": row.number,
        "basis": row.basis,
        "people_shown": row.people_shown,
        "biometric_use": row.biometric_use,
    }
    for name in ("valid_from", "expires_at"):
        at = getattr(row, name)
        if at is not None:
            facts[name] = clock.isoformat(at)
    if row.evidence_sha256:
        facts["evidence_sha256"] = row.evidence_sha256
    return facts


def _append(
    actor: Actor,
    event: Event,
    row: Row,
    now: datetime,
    facts: Mapping[str, Any],
    sealed: Mapping[str, bytes] | None = None,
) -> None:
    subject = SubjectRef("rights_record", row.id, row.brand_id, row.sha256)
    ledger.append(actor=actor, event=event, subject=subject, now=now, facts=facts, sealed=sealed)


def _lock(subject_id: UUID) -> str:
    """Return the name under which acts on one subject's rights wait for each other."""
    return f"rights {subject_id}"
