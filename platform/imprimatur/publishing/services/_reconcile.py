"""Look round a destination: what lies there and what the records say, compared both ways.

Nothing that a destination holds is believed to be ours without a record, and no record without a
look. Both sides are read in the order of their keys, a page at a time.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError, InvalidInput
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.outbox import services as outbox
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context
from governance.release import selectors as releases
from governance.sealing import services as sealing
from governance.tables.records import wait_for_others
from imprimatur.publishing import selectors
from imprimatur.publishing.destinations.protocol import (
    DeliveryCorrupt,
    DeliveryMissing,
    Destination,
    DestinationRefused,
    Stored,
)
from imprimatur.publishing.models import Closure, Finding, Publication, Quarantine
from imprimatur.publishing.models import Destination as DestinationRow
from imprimatur.publishing.selectors import FindingRecord
from imprimatur.publishing.services import _places
from imprimatur.publishing.services._recall import begin_recall
from imprimatur.publishing.services._request import QUEUE
from imprimatur.publishing.states import FindingKind, PublicationState

RECONCILE = "publishing.reconcile"
PAGE = 500
MAX_REASON_LENGTH = 4000
LONGEST_KEY = 1200

_UNDER_WAY = frozenset(
    {PublicationState.PENDING, PublicationState.DELIVERING, PublicationState.RECALLING}
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """One place outside; destinations of a brand that lead to the same place share it."""

    row: DestinationRow
    way: Destination
    twins: tuple[UUID, ...]

    @property
    def prefix(self) -> str:
        """Return the only folder there that is ours: the brand's."""
        return str(self.row.brand_id)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One name of bytes as the records have it and as the destination has it; one may be None."""

    records: tuple[Publication, ...]
    stored: Stored | None


def hint_reconcile() -> int:
    """Ask the publisher to look round every open destination."""
    with transaction.atomic():
        open_ids = list(_open_destinations().values_list("pk", flat=True))
        for destination_id in open_ids:
            outbox.wake(RECONCILE, queue=QUEUE, destination_id=str(destination_id))
    return len(open_ids)


def reconcile(*, destination_id: UUID, now: datetime) -> int:
    """Look round one open destination, record what no record explains, and return how much that is.

    What is found and not closed is not recorded again; what nobody authorised is moved out of what
    is published, where the destination has a place for it. Raises: DestinationError if it cannot be
    reached: the next round looks again.
    """
    require(SYSTEM, Permission.PUBLISHING_DESTINATION_RECONCILE, Context())
    row = _open_destinations().filter(pk=destination_id).first()
    if row is None or _first_of_twins(row) != row.pk:
        return 0
    place = _Place(row, _places.connect(row), _twins(row))
    with structlog.contextvars.bound_contextvars(destination_id=str(destination_id)):
        return sum(_look(place, pair, now) for pair in _pairs(place, now))


def close_finding(*, actor: Actor, finding_id: UUID, reason: str, now: datetime) -> FindingRecord:
    """Close a finding with what was made of it; the same thing found again is a new finding.

    Raises: NotFound; NotPermitted; InvalidInput without a reason; IllegalTransition if it is
    closed already.
    """
    seen = selectors.get_finding(actor, finding_id)
    require(actor, Permission.PUBLISHING_FINDING_CLOSE, Context(brand_id=seen.brand_id))
    if not reason.strip() or len(reason) > MAX_REASON_LENGTH:
        raise InvalidInput(
            _("Give a reason of at most %(max)s characters.") % {"max": MAX_REASON_LENGTH},
            pointer="/reason",
            rule="length",
        )
    with transaction.atomic():
        wait_for_others(f"finding:{finding_id}")
        if Closure.objects.filter(finding_id=finding_id).exists():
            raise IllegalTransition(_("This finding is closed already."), act="close")
        sealed = sealing.seal(person_id=actor.id, text=reason, purpose=selectors.CLOSURE_PURPOSE)
        Closure.objects.create(
            finding_id=finding_id, actor_id=actor.id, reason=sealed, created_at=now
        )
        ledger.append(
            actor=actor,
            event=Event.PUBLISHING_FINDING_CLOSED,
            subject=SubjectRef("finding", finding_id, seen.brand_id),
            now=now,
            sealed={"reason": sealed},
        )
    return selectors.get_finding(actor, finding_id)


def _open_destinations() -> QuerySet[DestinationRow]:
    return DestinationRow.objects.filter(approved_by__isnull=False, retired_at__isnull=True)


def _twins(row: DestinationRow, among: QuerySet[DestinationRow] | None = None) -> tuple[UUID, ...]:
    """Return the destinations of the brand that lead to the same place, this one included."""
    rows = DestinationRow.objects.all() if among is None else among
    same_kind = rows.filter(brand_id=row.brand_id, kind=row.kind).order_by("pk")
    return tuple(other.pk for other in same_kind if other.config == row.config)


def _first_of_twins(row: DestinationRow) -> UUID:
    """Return the one that looks round for all: nothing is found twice."""
    return _twins(row, _open_destinations())[0]


def _pairs(place: _Place, now: datetime) -> Iterator[_Pair]:
    """Merge both sides by the name of the bytes; a foreign key comes alone, where it stands."""
    records = _by_name(place, now)
    known = next(records, None)
    for stored in place.way.list(place.prefix):
        name = _name_of(place, stored)
        if name is None:
            yield _Pair((), stored)
            continue
        while known is not None and known[0].marked_sha256 < name:
            yield _Pair(known, None)
            known = next(records, None)
        if known is not None and known[0].marked_sha256 == name:
            yield _Pair(known, stored)
            known = next(records, None)
        else:
            yield _Pair((), stored)
    while known is not None:
        yield _Pair(known, None)
        known = next(records, None)


def _by_name(place: _Place, now: datetime) -> Iterator[tuple[Publication, ...]]:
    """Yield the publications at a place by the SHA-256 of their bytes, grouped by it."""
    for _sha256, group in itertools.groupby(_rows(place, now), key=lambda row: row.marked_sha256):
        yield tuple(group)


def _rows(place: _Place, now: datetime) -> Iterator[Publication]:
    rows = _at(place).order_by("marked_sha256", "pk")
    page = list(rows[:PAGE])
    while page:
        _recall_strays(page, now)
        yield from page
        last = page[-1]
        beyond = rows.filter(marked_sha256=last.marked_sha256, pk__gt=last.pk)
        page = list(beyond[:PAGE]) or list(rows.filter(marked_sha256__gt=last.marked_sha256)[:PAGE])


def _recall_strays(page: list[Publication], now: datetime) -> None:
    """Begin the recalls that a withdrawal ought to have begun: somebody wrote it past us."""
    outside = {row.release_id for row in page if row.state == PublicationState.PUBLISHED}
    for release_id in sorted(releases.withdrawn_among(outside)):
        with transaction.atomic():
            begin_recall(actor=SYSTEM, release_id=release_id, now=now)
        log.error("A withdrawn release was still published", release_id=str(release_id))


def _at(place: _Place) -> QuerySet[Publication]:
    return Publication.objects.select_related("receipt").filter(destination_id__in=place.twins)


def _name_of(place: _Place, stored: Stored) -> str | None:
    """Return the SHA-256 that a key of ours is named after, None for a foreign key."""
    parts = stored.key.split("/")
    if len(parts) != 3:  # noqa: PLR2004  brand, shelf, name
        return None
    sha256, _dot, extension = parts[2].partition(".")
    is_ours = parts[0] == place.prefix and parts[1] == sha256[:2] and len(sha256) == 64  # noqa: PLR2004
    return sha256 if is_ours and extension in _places.EXTENSIONS else None


def _look(place: _Place, pair: _Pair, now: datetime) -> int:
    """Judge one pair; a suspicion is looked at again first, for both sides move while we read."""
    kind = _suspicion(pair)
    if kind is None:
        return 0
    if pair.records:
        name: str | None = pair.records[0].marked_sha256
    else:
        name = _name_of(place, pair.stored) if pair.stored else None
    if name is not None:
        pair = _Pair(tuple(_at(place).filter(marked_sha256=name).order_by("pk")), pair.stored)
    kind = _confirmed(place, pair)
    return 0 if kind is None else _record(place, pair, kind, now)


def _suspicion(pair: _Pair) -> FindingKind | None:
    """Say what is wrong with a pair as it was read, if anything."""
    states = {record.state for record in pair.records}
    if pair.stored is None:
        is_missing = PublicationState.PUBLISHED in states
        return FindingKind.MISSING_OBJECT if is_missing else None
    if PublicationState.PUBLISHED in states:
        return None if _is_as_delivered(pair) else FindingKind.OTHER_BYTES
    if states & _UNDER_WAY:
        return None
    is_recalled = PublicationState.RECALLED in states
    return FindingKind.STILL_THERE if is_recalled else FindingKind.UNKNOWN_OBJECT


def _is_as_delivered(pair: _Pair) -> bool:
    """Tell whether size and ETag of the object are those of a receipt."""
    stored = pair.stored
    receipts = [getattr(record, "receipt", None) for record in pair.records]
    return stored is not None and any(
        receipt is not None
        and (receipt.size_bytes, receipt.etag) == (stored.size_bytes, stored.etag)
        for receipt in receipts
    )


def _confirmed(place: _Place, pair: _Pair) -> FindingKind | None:
    """Judge a pair anew, by reading the bytes where the listing alone proves nothing."""
    kind = _suspicion(pair)
    if kind is None or not pair.records:
        return kind
    key, sha256 = _key(pair), pair.records[0].marked_sha256
    try:
        place.way.verify(key, sha256)
    except DeliveryMissing:
        return kind if kind is FindingKind.MISSING_OBJECT else None
    except (DeliveryCorrupt, DestinationRefused):
        # Whoever's bytes these are, or a link or what else: they are not the recorded ones.
        is_published = kind in {FindingKind.MISSING_OBJECT, FindingKind.OTHER_BYTES}
        return FindingKind.OTHER_BYTES if is_published else FindingKind.UNKNOWN_OBJECT
    is_right = kind in {FindingKind.MISSING_OBJECT, FindingKind.OTHER_BYTES}
    return None if is_right else kind


def _key(pair: _Pair) -> str:
    if pair.stored is not None:
        return pair.stored.key
    return next(r.receipt.key for r in pair.records if r.state == PublicationState.PUBLISHED)


def _record(place: _Place, pair: _Pair, kind: FindingKind, now: datetime) -> int:
    """Record a finding unless it is known and open, raise the alarm, and act where we may."""
    key = _key(pair).encode("utf-8", "backslashreplace").decode()[:LONGEST_KEY]
    stored = pair.stored
    with transaction.atomic():
        wait_for_others(f"reconcile:{place.row.pk}")
        facts = {"destination": place.row, "kind": kind, "key": key}
        open_ones = Finding.objects.filter(closure__isnull=True, quarantine__isnull=True)
        finding = open_ones.filter(**facts).first()
        is_new = finding is None
        if finding is None:
            finding = Finding.objects.create(
                **facts,
                brand_id=place.row.brand_id,
                publication=pair.records[-1] if pair.records else None,
                etag=stored.etag if stored else "",
                size_bytes=stored.size_bytes if stored else 0,
                created_at=now,
            )
            ledger.append(
                actor=SYSTEM,
                event=Event.PUBLISHING_FINDING_RECORDED,
                subject=_subject(finding),
                now=now,
                facts={"destination": str(place.row.pk), "kind": kind.value},
            )
    if is_new:
        log.error("A destination and the records differ", kind=kind.value, finding=str(finding.pk))
    if stored is not None:
        try:
            _put_away(place, finding, stored, now)
        except DomainError as error:
            # The finding stands, and the next round tries again.
            log.error("Unable to put an object away", code=error.code, finding=str(finding.pk))  # noqa: TRY400
    return int(is_new)


def _put_away(place: _Place, finding: Finding, stored: Stored, now: datetime) -> None:
    """Take away what was recalled; move what nobody authorised out of what is published."""
    if finding.publication is not None and finding.kind == FindingKind.STILL_THERE:
        place.way.remove(stored.key, finding.publication.marked_sha256)
        return
    location = place.way.quarantine(stored.key, str(finding.pk))
    if not location:
        return
    with transaction.atomic():
        Quarantine.objects.create(finding=finding, location=location[:600], created_at=now)
        ledger.append(
            actor=SYSTEM,
            event=Event.PUBLISHING_FINDING_QUARANTINED,
            subject=_subject(finding),
            now=now,
        )


def _subject(finding: Finding) -> SubjectRef:
    return SubjectRef("finding", finding.pk, finding.brand_id)
