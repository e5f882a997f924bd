"""A machine that tries everything in any order: nothing may go out that nobody decided on.

It acts through the portal, the API, the tasks, the services and the ORM as any person, and in SQL
as every role of the database that there is. After each operation it asks the database and the
destination, in words of its own, whether anything is out that should not be.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from imprimatur.publishing import services as publishing
from imprimatur.publishing import tasks
from imprimatur.publishing.models import Publication
from imprimatur.publishing.states import PublicationState

from generation.assets import blobs
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.release import services as releases
from governance.release.models import Release
from governance.review import selectors as review_reads
from governance.review import services as review
from governance.review.models import Decision
from governance.tables import guards
from templates.brands import services as brands
from tests.factories import people
from tests.factories import review as make
from tests.factories.review import NOW
from tests.integration.api.client import Client

EVIDENCE = ("review_", "release_", "publishing_", "ledger_")
WORDS = (
    *("open", "approved", "rejected", "voided", "approve", "reject", "request_changes"),
    *("pending", "delivering", "published", "failed", "recalling", "recalled"),
    *("removed", "was_gone", "asset", "template_version", "original", "second", ""),
)
# More of them would not be other ones; and a release, with its checkpoint, takes long.
ENOUGH_CASES, ENOUGH_RELEASES = 6, 3
PEOPLE = {
    "marta": Role.MARKETER,
    "bruno": Role.BRAND_REVIEWER,
    "bella": Role.BRAND_REVIEWER,
    "clara": Role.COMPLIANCE_REVIEWER,
    "mona": Role.BRAND_MANAGER,
    "milan": Role.BRAND_MANAGER,
    "otto": Role.AUDITOR,
}
REFUSALS = (
    *(DomainError, DatabaseError, ValidationError, ProtectedError),
    *(Publication.DoesNotExist, Decision.DoesNotExist),
)

# Says the promise anew, and shares no line with the guards: released bytes, an approval of exactly
# the reviewed ones, and for each stage its quorum of distinct people who had no part in them.
UNAUTHORISED = """
SELECT p.id FROM publishing_publication p WHERE NOT EXISTS (
  SELECT 1 FROM release_release r
  JOIN review_approval a ON a.id = r.approval_id
   AND a.subject_id = r.subject_id AND a.sha256 = r.reviewed_sha256
  JOIN review_case k ON k.id = a.case_id
   AND k.subject_id = a.subject_id AND k.sha256 = a.sha256
  WHERE r.id = p.release_id AND r.marked_sha256 = p.marked_sha256 AND r.brand_id = p.brand_id
  AND EXISTS (SELECT 1 FROM review_stage s WHERE s.policy_id = k.policy_id)
  AND NOT EXISTS (
    SELECT 1 FROM review_stage s WHERE s.policy_id = k.policy_id AND s.quorum > (
      SELECT COUNT(DISTINCT d.reviewer_id) FROM review_decision d
      WHERE d.case_id = k.id AND d.stage_id = s.id AND d.verdict LIKE 'approve%'
      AND d.subject_id = k.subject_id AND d.sha256 = k.sha256
      AND NOT EXISTS (
        SELECT 1 FROM review_contribution c
        WHERE c.subject_id = k.subject_id AND c.actor_id = d.reviewer_id))))
"""
STATES = """
SELECT p.id, p.state, p.tries, p.marked_sha256,
       EXISTS (SELECT 1 FROM release_withdrawal w WHERE w.release_id = p.release_id)
FROM publishing_publication p
"""
WORK = """
SELECT (SELECT COUNT(*) FROM review_case k JOIN review_subject s ON s.id = k.subject_id
        WHERE s.kind = 'asset'),
       (SELECT COUNT(*) FROM review_case k JOIN review_subject s ON s.id = k.subject_id
        WHERE s.kind = 'asset' AND k.state = 'open'),
       (SELECT COUNT(*) FROM release_release)
"""


class Violation(AssertionError):
    """Something is out that nobody may have let out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was out after an operation: publications, files, and which of them were withdrawn."""

    published: frozenset[str]
    withdrawn: frozenset[str]
    withdrawn_sha256s: frozenset[str]
    files: frozenset[str]
    # How much there is to work on: cases about images, open ones, and releases.
    cases: int
    open_cases: int
    releases: int


@dataclass
class World:
    """One brand, its people with their sessions, two folders, and what every attacker can name."""

    folder: Path
    # The roles to write SQL as, and the one to return to; none where the session is but one.
    roles: Sequence[str] = ("",)
    works_as: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    team: make.Team = field(init=False)
    actors: dict[str, Actor] = field(init=False)
    clients: dict[str, Client] = field(init=False)
    destinations: list[UUID] = field(init=False)

    def __post_init__(self) -> None:
        ada, grace = people.admins()
        brand_id = brands.create_brand(
            actor=ada, slug="northwind", name="Northwind", palette=["#1f3a5f"], now=NOW
        ).id
        for name, role in PEOPLE.items():
            people.add(ada, name, brand_id=brand_id, roles=[role])
        self.actors = {name: replace(people.acting(name), authenticated_at=NOW) for name in PEOPLE}
        self.clients = {name: Client.signed_in(name) for name in PEOPLE}
        self.team = make.Team(brand_id=brand_id)
        for name, place in {
            "marta": "requester",
            "bruno": "brand_reviewer",
            "bella": "other_brand_reviewer",
            "clara": "compliance_reviewer",
            "mona": "manager",
            "milan": "other_manager",
            "otto": "auditor",
        }.items():
            setattr(self.team, place, self.actors[name])
        make.approved_policy(self.team)
        self.destinations = [self._destination(ada, grace, slug) for slug in ("one", "two")]
        self.tables = sorted(
            {guard.table for guard in guards.manifest() if guard.table.startswith(EVIDENCE)}
        )
        self.open_case()
        self.release(0)
        shutil.copytree(self.folder / "relay", self.folder / "memory")

    @property
    def places(self) -> Path:
        """Return the folder that the destinations lie in."""
        return self.folder / "published"

    def attempt(self, name: str, act: Callable[[], object]) -> None:
        """Do one operation, whole or not at all; that it is refused is an answer like any other."""
        self.counts["operations"] += 1
        try:
            with transaction.atomic():
                act()
        except REFUSALS:
            self.counts[f"{name}: refused"] += 1
        else:
            self.counts[f"{name}: done"] += 1

    # What a lawful day is made of.

    def open_case(self) -> None:
        """Register fresh bytes, which lie in the store as any draft does, and open their case."""
        data = b"draft " + uuid7().bytes
        make.open_case(self.team, make.subject(self.team, sha256=blobs.put(data)))

    def approve(self, which: int) -> None:
        """Take a case through its stages."""
        case = review_reads.get_case(SYSTEM, pick(image_cases(waiting=True), which))
        make.approve(self.team, case)

    def release(self, which: int) -> None:
        """Let a case go: approved if it still can be, proven, marked."""
        if not image_cases(waiting=True):
            self.open_case()
        case_id = pick(image_cases(waiting=True), which)
        case = review_reads.get_case(SYSTEM, case_id)
        if case.state == "open":
            make.approve(self.team, case)
        make.checkpoint(self.folder / "relay")
        self.record_release(case_id, blobs.put(b"marked " + uuid7().bytes))

    def record_release(self, case_id: UUID, marked_sha256: str) -> None:
        """Record a release of a case's approval, as these marked bytes."""
        approval = review_reads.get_approval(case_id=case_id)
        releases.record_release(
            actor=SYSTEM,
            release_id=uuid7(),
            approval_id=approval.id,
            marked_sha256=marked_sha256,
            media_type="image/png",
            marking_profile="test@1",
            passport=b"{}",
            now=NOW,
        )

    # What an attacker chooses from.

    def sha256(self, which: int) -> str:
        """Return some digest that occurs anywhere."""
        found = column("review_subject", "sha256") + column("release_release", "marked_sha256")
        return str(pick(sorted(set(found)), which))

    def value(self, name: str, stored: Any, which: int) -> Any:
        """Return another value for a column: one that means something in its place."""
        if "sha256" in name:
            return self.sha256(which)
        if name.endswith(("_id", "_by")) or name == "id":
            table = pick([one for one in self.tables if has_id(one)], which)
            return pick([*ids(table), *(one.id for one in self.actors.values()), uuid7()], which)
        if isinstance(stored, bool):
            return not stored
        if isinstance(stored, int):
            return which % 4
        if isinstance(stored, str):
            return WORDS[which % len(WORDS)]
        return None if which % 2 else stored

    def sql(self, role: int, verb: str, table: str, which: int, columns: Sequence[int]) -> None:
        """Write one statement of SQL, as one of the roles."""
        row = a_row(table, which)
        if row is None and verb != "TRUNCATE":
            return
        names = list(row or {})
        changes = {
            names[number % len(names)]: self.value(
                names[number % len(names)], (row or {})[names[number % len(names)]], which + number
            )
            for number in (columns if row else ())
        }
        with as_role(self.roles[role % len(self.roles)], self.works_as):
            execute(verb, table, row or {}, changes)
        connection.check_constraints()

    # What is out.

    def look(self) -> Seen:
        """Ask the database and the folders what is out."""
        return seen(states(), self.files())

    def files(self) -> frozenset[str]:
        """Return the names of what lies at the destinations: each is named after its bytes."""
        return frozenset(path.stem for path in self.places.rglob("*.png"))

    def check(self, before: Seen) -> Seen:
        """Hold what is out now against the promise, and count what broke it. Raises: Violation."""
        try:
            return self._check(before)
        except Violation:
            self.counts["violations"] += 1
            raise

    def _check(self, before: Seen) -> Seen:
        with connection.cursor() as cursor:
            cursor.execute(UNAUTHORISED)
            if found := cursor.fetchall():
                raise Violation(f"published without a decision: {found}")
        rows = states()
        now = seen(rows, self.files())
        sent = {
            sha256
            for _id, state, tries, sha256, _is_withdrawn in rows
            if state in {"delivering", "published", "recalling"} or (state == "failed" and tries)
        }
        if now.files - sent:
            raise Violation(f"files that nobody authorised: {sorted(now.files - sent)}")
        late = (now.published & before.withdrawn) - before.published
        if late:
            raise Violation(f"published after it was withdrawn: {sorted(late)}")
        came = (now.files - before.files) & before.withdrawn_sha256s
        if came:
            raise Violation(f"delivered after it was withdrawn: {sorted(came)}")
        return now

    def tidy(self) -> None:
        """Empty the folders and let the signer forget: files are not rolled back."""
        shutil.rmtree(self.folder / "relay")
        shutil.copytree(self.folder / "memory", self.folder / "relay")
        for place in self.places.iterdir():
            shutil.rmtree(place)
            place.mkdir()

    def _destination(self, ada: Actor, grace: Actor, slug: str) -> UUID:
        (self.places / slug).mkdir(parents=True)
        proposed = publishing.propose_destination(
            actor=ada,
            brand_id=self.team.brand_id,
            slug=slug,
            name="Folder",
            kind="folder",
            config={"path": str(self.places / slug)},
            credential_ref="",
            now=NOW,
        )
        return publishing.approve_destination(actor=grace, destination_id=proposed.id, now=NOW).id


MANY = st.integers(0, 999)
SOMEBODY = st.sampled_from(sorted(PEOPLE))


class Gate(RuleBasedStateMachine):
    """Operations in any order on one world, which is as it was again after each run."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.seen = self.world.look()

    def teardown(self) -> None:
        """Take everything back."""
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)
        self.world.tidy()

    @invariant()
    def nothing_is_out_without_a_decision(self) -> None:
        """Hold what is out against the promise, after every operation."""
        self.seen = self.world.check(self.seen)

    # Lawful work, so that there is something to attack.

    @precondition(lambda self: self.seen.cases < ENOUGH_CASES)
    @rule()
    def open_case(self) -> None:
        """Open a case."""
        self.world.attempt("open", self.world.open_case)

    @precondition(lambda self: self.seen.open_cases)
    @rule(which=MANY)
    def approve(self, which: int) -> None:
        """Approve a case, or find that it cannot be."""
        self.world.attempt("approve", lambda: self.world.approve(which))

    @precondition(lambda self: self.seen.releases < ENOUGH_RELEASES)
    @rule(which=MANY)
    def release(self, which: int) -> None:
        """Release a case."""
        self.world.attempt("release", lambda: self.world.release(which))

    @rule(which=MANY, where=MANY)
    def order_and_deliver(self, which: int, where: int) -> None:
        """Order a delivery and make it."""

        def act() -> None:
            ordered = publishing.request_publication(
                actor=self.world.team.requester,
                release_id=pick(ids("release_release"), which),
                destination_id=pick(self.world.destinations, where),
                now=NOW,
            )
            publishing.deliver(publication_id=ordered.id, now=NOW)

        self.world.attempt("order and deliver", act)

    # The same by anybody, at the wrong time, about other bytes.

    @rule(who=SOMEBODY, which=MANY, sha256=MANY, verdict=st.sampled_from(["approve", "reject"]))
    def decide(self, who: str, which: int, sha256: int, verdict: str) -> None:
        """Decide through the service."""
        case_id = pick(ids("review_case"), which)
        self.world.attempt(
            "decide",
            lambda: review.decide(
                actor=self.world.actors[who],
                case_id=case_id,
                verdict=verdict,
                sha256=self.world.sha256(sha256),
                reason="As it is.",
                now=NOW,
            ),
        )

    @rule(who=SOMEBODY, which=MANY, sha256=MANY)
    def decide_over_the_api(self, who: str, which: int, sha256: int) -> None:
        """Decide over the API."""
        body = {"verdict": "approve", "sha256": self.world.sha256(sha256), "reason": ""}
        self.post(who, f"cases/{pick(ids('review_case'), which)}/decisions", body)

    @rule(who=SOMEBODY, which=MANY, sha256=MANY)
    def decide_in_the_portal(self, who: str, which: int, sha256: int) -> None:
        """Decide in the portal, without ever opening the page."""
        form = {"verdict": "approve", "sha256": self.world.sha256(sha256), "reason": "As it is."}
        self.submit(who, f"/reviews/{pick(ids('review_case'), which)}/", form)

    @rule(who=SOMEBODY, which=MANY)
    def void(self, who: str, which: int) -> None:
        """Void a case."""
        case_id = pick(ids("review_case"), which)
        self.world.attempt(
            "void",
            lambda: review.void_case(
                actor=self.world.actors[who], case_id=case_id, reason="Old.", now=NOW
            ),
        )

    @rule(who=SOMEBODY, which=MANY)
    def register_again(self, who: str, which: int) -> None:
        """Register a subject again, with somebody who has a part in it now."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, kind, sha256, brand_id FROM review_subject ORDER BY id")
            row = pick(cursor.fetchall(), which)
        self.world.attempt(
            "register again",
            lambda: review.register_subject(
                subject_id=uuid_of(row[0]),
                kind=row[1],
                sha256=row[2],
                brand_id=uuid_of(row[3]),
                contributors={self.world.actors[who].id: "editor"},
                now=NOW,
            ),
        )

    @rule(which=MANY, sha256=MANY)
    def record_release(self, which: int, sha256: int) -> None:
        """Record a release as whatever bytes there are."""
        case_id, marked = pick(ids("review_case"), which), self.world.sha256(sha256)
        self.world.attempt("record release", lambda: self.world.record_release(case_id, marked))

    @rule(who=SOMEBODY, which=MANY, where=MANY)
    def publish_over_the_api(self, who: str, which: int, where: int) -> None:
        """Order a delivery over the API."""
        body = {"destination_id": str(pick(self.world.destinations, where))}
        self.post(who, f"releases/{pick(ids('release_release'), which)}/publications", body)

    @rule(who=SOMEBODY, which=MANY, where=MANY)
    def publish_in_the_portal(self, who: str, which: int, where: int) -> None:
        """Order a delivery in the portal."""
        release_id = pick(ids("release_release"), which)
        form = {f"r{release_id.hex}-destination": str(pick(self.world.destinations, where))}
        self.submit(who, f"/releases/{release_id}/publish/", form)

    @rule(who=SOMEBODY, which=MANY)
    def withdraw_over_the_api(self, who: str, which: int) -> None:
        """Withdraw over the API."""
        release_id = pick(ids("release_release"), which)
        self.post(who, f"releases/{release_id}/withdrawal", {"reason": "Wrong."})

    @rule(who=SOMEBODY, which=MANY)
    def withdraw_past_the_publisher(self, who: str, which: int) -> None:
        """Write a withdrawal that begins no recall."""
        release_id = pick(ids("release_release"), which)
        self.world.attempt(
            "withdraw",
            lambda: releases.withdraw(
                actor=self.world.actors[who], release_id=release_id, reason="Wrong.", now=NOW
            ),
        )

    @rule(which=MANY, task=st.sampled_from([tasks.deliver, tasks.unpublish]))
    def run_a_task(self, which: int, task: Any) -> None:
        """Run a task that nobody hinted at, as if its lease had run out."""
        publication_id = pick(ids("publishing_publication") or [uuid7()], which)

        def act() -> None:
            Publication.objects.filter(pk=publication_id, lease_until__isnull=False).update(
                lease_until=Now()
            )
            task(publication_id=str(publication_id))

        self.world.attempt(task.name, act)

    @rule(which=MANY)
    def release_by_task(self, which: int) -> None:
        """Let the publisher release a case, of which there is no image."""
        case_id = pick(ids("review_case"), which)
        self.world.attempt("publishing.release", lambda: tasks.release(case_id=str(case_id)))

    @rule(where=MANY)
    def look_round(self, where: int) -> None:
        """Let the publisher look round."""
        destination_id = pick(self.world.destinations, where)
        self.world.attempt(
            "look round", lambda: tasks.reconcile(destination_id=str(destination_id))
        )

    # The ORM, and SQL.

    @rule(which=MANY, state=st.sampled_from(PublicationState.values))
    def set_a_state(self, which: int, state: str) -> None:
        """Set a publication's state through the ORM."""
        publication_id = pick(ids("publishing_publication") or [uuid7()], which)
        self.world.attempt(
            "set a state",
            lambda: Publication.objects.filter(pk=publication_id).update(state=state),
        )

    @rule(which=MANY, approval=MANY)
    def copy_a_release(self, which: int, approval: int) -> None:
        """Save a release anew through the ORM, for another approval, or for none."""

        def act() -> None:
            release = Release.objects.get(pk=pick(ids("release_release"), which))
            release.pk = uuid7()
            release.approval_id = pick([*ids("review_approval"), uuid7()], approval)
            release.save(force_insert=True)

        self.world.attempt("copy a release", act)

    @rule(which=MANY, sha256=MANY)
    def copy_a_publication(self, which: int, sha256: int) -> None:
        """Save a publication anew through the ORM, of other bytes."""

        def act() -> None:
            found = ids("publishing_publication")
            publication = Publication.objects.get(pk=pick(found or [uuid7()], which))
            publication.pk = uuid7()
            publication.state = "pending"
            publication.attempt += len(found)
            publication.marked_sha256 = self.world.sha256(sha256)
            publication.save(force_insert=True)

        self.world.attempt("copy a publication", act)

    @rule(who=SOMEBODY, which=MANY)
    def copy_a_decision(self, who: str, which: int) -> None:
        """Save a decision anew through the ORM, in another's name."""

        def act() -> None:
            decision = Decision.objects.get(pk=pick(ids("review_decision") or [uuid7()], which))
            decision.pk = uuid7()
            decision.reviewer_id = self.world.actors[who].id
            decision.save(force_insert=True)

        self.world.attempt("copy a decision", act)

    @rule(
        role=MANY,
        verb=st.sampled_from(["INSERT", "INSERT", "UPDATE", "UPDATE", "REPLACE", "DELETE"]),
        table=MANY,
        which=MANY,
        columns=st.lists(MANY, min_size=1, max_size=3),
    )
    def sql_on_anything(
        self, role: int, verb: str, table: int, which: int, columns: list[int]
    ) -> None:
        """Write SQL on some table."""
        name = pick(self.world.tables, table)
        self.world.attempt(f"SQL {verb}", lambda: self.world.sql(role, verb, name, which, columns))

    @rule(
        role=MANY,
        verb=st.sampled_from(["INSERT", "UPDATE"]),
        table=st.sampled_from(
            ["publishing_publication", "publishing_receipt", "release_release", "review_decision"]
        ),
        which=MANY,
        columns=st.lists(MANY, min_size=1, max_size=2),
    )
    def sql_on_the_gate(
        self, role: int, verb: str, table: str, which: int, columns: list[int]
    ) -> None:
        """Write SQL on the tables that the gate is made of."""
        self.world.attempt(f"SQL {verb}", lambda: self.world.sql(role, verb, table, which, columns))

    @rule(role=MANY, table=MANY)
    def truncate(self, role: int, table: int) -> None:
        """Empty a table."""
        name = pick(self.world.tables, table)
        self.world.attempt("SQL TRUNCATE", lambda: self.world.sql(role, "TRUNCATE", name, 0, ()))

    def post(self, who: str, path: str, body: dict[str, Any]) -> None:
        """Send a request to the API as somebody."""
        self.world.attempt("API", lambda: accepted(self.world.clients[who].post(path, body)))

    def submit(self, who: str, path: str, form: dict[str, str]) -> None:
        """Send a form to the portal as somebody."""
        client = self.world.clients[who]
        self.world.attempt(
            "portal",
            lambda: accepted(
                client.browser.post(path, form, headers={"X-CSRFToken": client.token})
            ),
        )


def states() -> list[Any]:
    """Return every publication with its state, tries, bytes, and whether it was withdrawn."""
    with connection.cursor() as cursor:
        cursor.execute(STATES)
        return list(cursor.fetchall())


def seen(rows: Sequence[Any], files: frozenset[str]) -> Seen:
    """Sum up what is out, and what there is to work on."""
    with connection.cursor() as cursor:
        cursor.execute(WORK)
        cases, open_cases, releases = cursor.fetchone()
    return Seen(
        cases=cases,
        open_cases=open_cases,
        releases=releases,
        published=frozenset(text(row[0]) for row in rows if row[1] == "published"),
        withdrawn=frozenset(text(row[0]) for row in rows if row[4]),
        withdrawn_sha256s=frozenset(row[3] for row in rows if row[4]),
        files=files,
    )


def accepted(answer: Any) -> None:
    """Tell a refusal over HTTP from an answer, so that both are counted."""
    if answer.status_code >= 400:
        raise DomainError(f"answered {answer.status_code}")


def pick(found: Sequence[Any], which: int) -> Any:
    """Choose one of what there is."""
    return found[which % len(found)]


def ids(table: str) -> list[UUID]:
    """Return the ids of a table, in order; numbers are none."""
    found = (uuid_of(value) for value in column(table, "id") if not isinstance(value, int))
    return list(found)


def image_cases(*, waiting: bool = False) -> list[UUID]:
    """Return the cases about images, in order; those that may still become a release, if asked."""
    only = (
        " AND k.state IN ('open', 'approved') AND NOT EXISTS (SELECT 1 FROM review_approval a "
        "JOIN release_release r ON r.approval_id = a.id WHERE a.case_id = k.id)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.id FROM review_case k JOIN review_subject s ON s.id = k.subject_id "
            f"WHERE s.kind = 'asset'{only if waiting else ''} ORDER BY k.id"
        )
        return [uuid_of(value) for (value,) in cursor.fetchall()]


def column(table: str, name: str) -> list[Any]:
    """Return one column of a table, in the order of its ids."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {name} FROM {table} ORDER BY id")
        return [value for (value,) in cursor.fetchall()]


def has_id(table: str) -> bool:
    """Tell whether a table has an id of its own."""
    return table in _KEYED or (table not in _UNKEYED and _learn(table))


_KEYED: set[str] = set()
_UNKEYED: set[str] = set()


def _learn(table: str) -> bool:
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, table)
    is_keyed = any(found.name == "id" for found in described)
    (_KEYED if is_keyed else _UNKEYED).add(table)
    return is_keyed


def a_row(table: str, which: int) -> dict[str, Any] | None:
    """Return some row of a table as it is stored."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table}")
        rows = cursor.fetchone()[0]
        if not rows:
            return None
        cursor.execute(f"SELECT * FROM {table} ORDER BY 1 LIMIT 1 OFFSET {which % rows}")
        found = cursor.fetchone()
        return {c[0]: value for c, value in zip(cursor.description, found, strict=True)}


def execute(verb: str, table: str, row: dict[str, Any], changes: dict[str, Any]) -> None:
    """Write one statement: a row anew with changes, the row changed, in its place, or gone."""
    quote = connection.ops.quote_name
    if verb == "TRUNCATE":
        _run(
            f"DELETE FROM {table}" if connection.vendor == "sqlite" else f"TRUNCATE {table} CASCADE"
        )
        return
    key = next(iter(row))
    if verb == "DELETE":
        _run(f"DELETE FROM {table} WHERE {quote(key)} = %s", [row[key]])
        return
    if verb == "UPDATE":
        pairs = ", ".join(f"{quote(name)} = %s" for name in changes)
        _run(f"UPDATE {table} SET {pairs} WHERE {quote(key)} = %s", [*changes.values(), row[key]])
        return
    values = {**row, **changes}
    names = ", ".join(quote(name) for name in values)
    marks = ", ".join(["%s"] * len(values))
    if verb == "INSERT":
        values[key] = changes.get(key, uuid7())
        _run(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))
    elif connection.vendor == "sqlite":
        _run(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", list(values.values()))
    else:
        pairs = ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in changes)
        _run(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) "
            f"ON CONFLICT ({quote(key)}) DO UPDATE SET {pairs}",
            list(values.values()),
        )


def _run(sql: str, values: Sequence[Any] = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, [_plain(value) for value in values])


def _plain(value: Any) -> Any:
    return value.hex if isinstance(value, UUID) and connection.vendor == "sqlite" else value


@contextmanager
def as_role(role: str, back: str) -> Iterator[None]:
    """Write as another role of the database, where the session may become one."""
    if not role:
        yield
        return
    _run(f"SET ROLE {connection.ops.quote_name(role)}")
    yield
    # Only after success: a failure takes the role back with its savepoint.
    _run(f"SET ROLE {connection.ops.quote_name(back)}")


def uuid_of(value: Any) -> UUID:
    """Return an id as Python has it."""
    return value if isinstance(value, UUID) else UUID(hex=str(value))


def text(value: Any) -> str:
    """Return an id as text, the same on both databases."""
    with suppress(ValueError):
        return uuid_of(value).hex
    return str(value)
