"""What the clients asked and were told, as it happened, and what must be true of it at the end.

Each operation ends as `ok` (acknowledged), `fail` (refused, with certainty) or `info` (no answer:
it may or may not have happened), as in Jepsen's histories. The checker reads the tables and the
destination's folder, and says every invariant that does not hold.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

OUTCOMES = ("ok", "fail", "info")


@dataclass
class Operation:
    """One thing that one client did; times are seconds of the monotonic clock."""

    client: str
    kind: str
    key: str
    began: float
    ended: float = 0.0
    outcome: str = "info"
    facts: dict[str, Any] = field(default_factory=dict)


class History:
    """Operations of all clients, in the order of their ends."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._lock = threading.Lock()

    def begin(self, client: str, kind: str, key: str) -> Operation:
        """Note that a client begins; nothing is on record before `end`."""
        return Operation(client, kind, key, time.monotonic())

    def end(self, operation: Operation, outcome: str, **facts: Any) -> None:
        """Record how it ended."""
        operation.ended, operation.outcome = time.monotonic(), outcome
        operation.facts |= facts
        with self._lock:
            self.operations.append(operation)

    def ok(self, kind: str) -> Iterator[Operation]:
        """Yield what was acknowledged of one kind."""
        return (each for each in list(self.operations) if (each.kind, each.outcome) == (kind, "ok"))

    def first_ok_after(self, moment: float, kinds: frozenset[str]) -> float | None:
        """Return when an operation that began after `moment` was first acknowledged."""
        ends = [
            each.ended
            for each in list(self.operations)
            if each.outcome == "ok" and each.kind in kinds and each.began >= moment
        ]
        return min(ends, default=None)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many of each kind ended how."""
        counted: dict[str, Counter[str]] = {}
        for each in self.operations:
            counted.setdefault(each.kind, Counter())[each.outcome] += 1
        return {kind: dict(sorted(found.items())) for kind, found in sorted(counted.items())}

    def write(self, path: Path) -> None:
        """Write one JSON line for each operation."""
        lines = (json.dumps(asdict(each)) for each in self.operations)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def violations(history: History, folder: Path) -> list[str]:
    """Return every invariant that does not hold, in words; none is what we want."""
    return [
        *_orders(history),
        *_items(),
        *_decisions(history),
        *_publications(history, folder),
        *_books(),
        *_ledger(),
    ]


def _orders(history: History) -> Iterator[str]:
    from generation.jobs.models import GenerationJob, JobItem

    jobs = {
        str(key): str(job_id)
        for key, job_id in GenerationJob.objects.values_list("idempotency_key", "id")
    }
    asked = {each.key for each in history.operations if each.kind == "order"}
    for each in history.ok("order"):
        if each.facts["job_id"] != jobs.get(each.key):
            yield f"order {each.key} was acknowledged as {each.facts['job_id']} and is lost"
        elif JobItem.objects.filter(job_id=jobs[each.key]).count() != each.facts["variants"]:
            yield f"order {each.key} has not its {each.facts['variants']} items"
    refused = {
        each.key for each in history.operations if (each.kind, each.outcome) == ("order", "fail")
    }
    for key in refused & set(jobs):
        yield f"order {key} was refused and is there"
    for key in set(jobs) - asked:
        yield f"order {key} is there, and nobody asked for it"


def _items() -> Iterator[str]:
    from django.db.models import Count, Q

    from generation.assets.models import Asset
    from generation.jobs.models import JobItem
    from governance.quota.models import Entry
    from governance.review.models import Case

    for item in JobItem.objects.exclude(state__in=["in_review", "refused"]):
        yield f"item {item.id} ended as {item.state} ({item.failure})"
    made = dict(
        Asset.objects.values("item_id").annotate(made=Count("id")).values_list("item_id", "made")
    )
    for item_id in JobItem.objects.values_list("id", flat=True):
        if made.get(item_id, 0) != 1:
            yield f"item {item_id} has {made.get(item_id, 0)} images"
        kinds = Counter(Entry.objects.filter(item_id=item_id).values_list("kind", flat=True))
        if kinds != {"reserve": 3, "settle": 3}:
            yield f"item {item_id} was booked as {dict(kinds)}"
    reviewed = JobItem.objects.filter(state="in_review").count()
    cases = Case.objects.filter(~Q(state="voided"), subject__kind="asset").count()
    if cases != reviewed:
        yield f"{reviewed} images are in review, and there are {cases} cases"


def _decisions(history: History) -> Iterator[str]:
    from governance.review.models import Approval, Contribution, Decision

    there = {
        (str(case), str(person)): verdict
        for case, person, verdict in Decision.objects.values_list(
            "case_id", "reviewer_id", "verdict"
        )
    }
    for each in history.ok("decide"):
        key = (each.facts["case_id"], each.facts["reviewer_id"])
        if there.get(key) != each.facts["verdict"]:
            yield f"the decision on {key[0]} was acknowledged and is lost"
    for decision in Decision.objects.all():
        if Contribution.objects.filter(
            subject_id=decision.subject_id, actor_id=decision.reviewer_id
        ).exists():
            yield f"decision {decision.id} is by somebody who had a part in it"
    for approval in Approval.objects.select_related("case__policy"):
        for stage in approval.case.policy.stages.all():
            said = approval.case.decisions.filter(
                stage=stage, sha256=approval.sha256, verdict__startswith="approve"
            )
            if said.values("reviewer_id").distinct().count() < stage.quorum:
                yield f"approval {approval.id} lacks its quorum in {stage.name}"


def _publications(history: History, folder: Path) -> Iterator[str]:
    from imprimatur.publishing.models import Publication, Receipt

    from governance.kernel.digests import sha256_hex
    from governance.release.models import Release
    from governance.review.models import Approval

    released = Counter(Release.objects.values_list("approval_id", flat=True))
    for approval_id in Approval.objects.filter(case__subject__kind="asset").values_list(
        "id", flat=True
    ):
        if released[approval_id] != 1:
            yield f"approval {approval_id} was released {released[approval_id]} times"
    known = {str(each) for each in Publication.objects.values_list("id", flat=True)}
    for each in history.ok("publish"):
        if each.facts["publication_id"] not in known:
            yield f"publication {each.facts['publication_id']} was acknowledged and is lost"
    for publication in Publication.objects.exclude(state="published"):
        yield f"publication {publication.id} ended as {publication.state}"
    allowed = set(Receipt.objects.values_list("sha256", flat=True))
    for path in (p for p in folder.rglob("*") if p.is_file() and p.suffix == ".png"):
        if sha256_hex(path.read_bytes()) not in allowed:
            yield f"{path.name} lies at the destination, and no receipt allows it"
    lying = [p for p in folder.rglob("*.png") if p.is_file()]
    if len(lying) != len(allowed):
        yield f"{len(lying)} objects lie at the destination, for {len(allowed)} receipts"


def _books() -> Iterator[str]:
    from governance.quota import selectors as quota
    from governance.quota.models import Account

    for each in quota.check_books():
        yield f"account {each.account_id}: {each.figure} does not add up"
    for account in Account.objects.filter(reserved__gt=0):
        yield f"account {account.id} still reserves {account.reserved}"


def _ledger() -> Iterator[str]:
    from governance.ledger import merkle, selectors, services
    from governance.ledger.models import Checkpoint

    report = services.fsck()
    yield from (f"ledger: {problem}" for problem in report.problems)
    if report.pending:
        yield f"{report.pending} ledger entries have no leaf"
    heads = list(Checkpoint.objects.order_by("size").values_list("size", "root"))
    for (old, old_root), (new, new_root) in pairwise(heads):
        path = selectors.consistency_proof(old, new)
        if not merkle.extends(old, new, path, bytes(old_root), bytes(new_root)):
            yield f"checkpoint {new} does not extend checkpoint {old}"
