"""Promises 1, 2 and 9, the way out: SQL against every guard of destinations and publications."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from imprimatur.publishing import services
from imprimatur.publishing.models import Publication
from imprimatur.publishing.selectors import DestinationRecord

from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.release import services as release_services
from governance.release.records import ReleaseRecord
from governance.tables import guards
from templates.brands import services as brands
from tests import databases
from tests.factories import review as make
from tests.factories.quota import platform_admin
from tests.promises import attacks
from tests.promises.attacks import (
    Attack,
    bound,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    replace,
)

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_BYTES = sha256_hex(b"other bytes")
PUBLICATION_KEY = bound("publishing_publication", "release_id", "marked_sha256")
DESTINATION_BRAND = bound("publishing_destination", "brand_id")


@dataclass
class Scene:
    """One brand's way out in mid-work, for an attacker to choose from; a second brand beside it."""

    folder: Path
    team: make.Team = field(init=False)
    other_brand_id: UUID = field(init=False)
    release: ReleaseRecord = field(init=False)
    withdrawn: ReleaseRecord = field(init=False)
    conditional: ReleaseRecord = field(init=False)
    open: DestinationRecord = field(init=False)
    spare: DestinationRecord = field(init=False)
    proposed: DestinationRecord = field(init=False)
    retired: DestinationRecord = field(init=False)
    others: DestinationRecord = field(init=False)
    pending: UUID = field(init=False)
    delivering: UUID = field(init=False)
    received: UUID = field(init=False)
    published: UUID = field(init=False)
    failed: UUID = field(init=False)
    withdrawn_pending: UUID = field(init=False)
    withdrawn_received: UUID = field(init=False)
    receipt: UUID = field(init=False)
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        self.admin, self.other_admin = platform_admin(), platform_admin()
        brand_id, self.other_brand_id = (self._brand(slug) for slug in ("northwind", "southwind"))
        self.team = make.Team(brand_id=brand_id)
        make.approved_policy(self.team)
        self.release, self.withdrawn = (
            make.released(self.team, make.open_case(self.team), self.folder / "relay")
            for _ in range(2)
        )
        unconfirmed = make.open_case(self.team)
        make.decide(unconfirmed, self.team.brand_reviewer, "approve_with_changes")
        self.conditional = make.released(self.team, unconfirmed, self.folder / "relay")
        self.open, self.spare = self.destination("open"), self.destination("spare")
        self.proposed = self.propose("proposed")
        self.retired = self.destination("retired")
        services.retire_destination(actor=self.admin, destination_id=self.retired.id, now=make.NOW)
        self.others = self.destination("others", brand_id=self.other_brand_id)
        self.pending = self.ordered(self.release)
        self.delivering = self.ordered(self.release, "delivering")
        self.received = self.ordered(self.release, "delivering", receipt=True)
        self.published = self.ordered(self.release, "delivering", "published", receipt=True)
        self.failed = self.ordered(self.release, "delivering", "failed")
        self.withdrawn_pending = self.ordered(self.withdrawn)
        self.withdrawn_received = self.ordered(self.withdrawn, "delivering", receipt=True)
        self.withdraw(self.withdrawn)

    def propose(self, slug: str, brand_id: UUID | None = None) -> DestinationRecord:
        """Propose a folder."""
        return services.propose_destination(
            actor=self.admin,
            brand_id=brand_id or self.team.brand_id,
            slug=slug,
            name="Folder",
            kind="folder",
            config={"path": str(self.folder / "published")},
            credential_ref="",
            now=make.NOW,
        )

    def destination(self, slug: str, brand_id: UUID | None = None) -> DestinationRecord:
        """Open a folder."""
        proposed = self.propose(slug, brand_id)
        return services.approve_destination(
            actor=self.other_admin, destination_id=proposed.id, now=make.NOW
        )

    def ordered(self, release: ReleaseRecord, *states: str, receipt: bool = False) -> UUID:
        """Order a delivery to a destination of its own, and lead it through `states`."""
        target = self.destination(f"to-{uuid7().hex}")
        ordered = services.request_publication(
            actor=self.team.requester, release_id=release.id, destination_id=target.id, now=make.NOW
        )
        for state in states:
            if state != "delivering" and receipt:
                self._receive(ordered.id)
            Publication.objects.filter(pk=ordered.id).update(state=state)
        if receipt and states[-1] == "delivering":
            self._receive(ordered.id)
        return ordered.id

    def withdraw(self, release: ReleaseRecord) -> None:
        """Take a release back."""
        release_services.withdraw(
            actor=self.team.manager, release_id=release.id, reason="Wrong product.", now=make.NOW
        )

    def publication(self, **changes: Any) -> dict[str, Any]:
        """Return the row of a lawful publication of the release."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "brand_id": self.team.brand_id,
            "release_id": self.release.id,
            "marked_sha256": self.release.marked_sha256,
            "destination_id": self.spare.id,
            "rendition": "original",
            "attempt": 1,
            "requested_by": self.team.requester.id,
            "state": "pending",
            "epoch": 0,
            "tries": 0,
            "failure": "",
            **changes,
        }

    def receipt_of(self, publication_id: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of a receipt of the release's bytes."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "publication_id": publication_id,
            "sha256": self.release.marked_sha256,
            "key": "a/b.png",
            "location": "file:///a/b.png",
            "etag": "",
            "size_bytes": 1,
            "verified_at": make.NOW,
            **changes,
        }

    def destination_row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of a destination that was approved by another, as the open one was."""
        return {**copied("publishing_destination", self.open.id), "id": self.id, **changes}

    def _brand(self, slug: str) -> UUID:
        return brands.create_brand(
            actor=self.admin, slug=slug, name=slug, palette=["#1f3a5f"], now=make.NOW
        ).id

    def _receive(self, publication_id: UUID) -> None:
        row = Publication.objects.get(pk=publication_id)
        receipt_id = uuid7()
        insert(
            "publishing_receipt",
            **self.receipt_of(publication_id, id=receipt_id, sha256=row.marked_sha256),
        )
        self.receipt = receipt_id


@pytest.fixture(autouse=True)
def _installation(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)
    settings.DESTINATION_ROOTS = [tmp_path.resolve()]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    yield Scene(tmp_path)
    assert guards.missing(connection) == []


def has(table: str, **values: Any) -> Callable[[Scene], bool]:
    """Return the question whether the attacker's row is there, with these values."""
    return lambda scene: count(table, id=scene.id, **values) == 1


def publish(**changes: Callable[[Scene], Any]) -> Callable[[Scene], None]:
    """Insert a publication that is lawful but for `changes`."""
    return lambda scene: insert(
        "publishing_publication",
        **scene.publication(**{name: value(scene) for name, value in changes.items()}),
    )


IS_THERE = has("publishing_publication")

PUBLICATIONS = (
    Attack(
        "publish bytes that were not released",
        [PUBLICATION_KEY],
        publish(marked_sha256=lambda _: OTHER_BYTES),
        IS_THERE,
    ),
    Attack(
        "publish the reviewed bytes in place of the marked ones",
        [PUBLICATION_KEY],
        publish(marked_sha256=lambda s: s.release.reviewed_sha256),
        IS_THERE,
    ),
    Attack(
        "publish without any release",
        [PUBLICATION_KEY, "publishing_same_brand"],
        publish(release_id=lambda _: uuid7()),
        IS_THERE,
    ),
    Attack(
        "publish another release's bytes under this one",
        [PUBLICATION_KEY],
        publish(marked_sha256=lambda s: s.withdrawn.marked_sha256),
        IS_THERE,
    ),
    Attack(
        "publish as another brand, at its destination",
        ["publishing_same_brand"],
        publish(brand_id=lambda s: s.other_brand_id, destination_id=lambda s: s.others.id),
        IS_THERE,
    ),
    Attack(
        "publish at another brand's destination",
        ["publishing_destination_approved"],
        publish(destination_id=lambda s: s.others.id),
        IS_THERE,
    ),
    Attack(
        "publish at a destination that nobody approved",
        ["publishing_destination_approved"],
        publish(destination_id=lambda s: s.proposed.id),
        IS_THERE,
    ),
    Attack(
        "publish at a destination that was retired",
        ["publishing_destination_approved"],
        publish(destination_id=lambda s: s.retired.id),
        IS_THERE,
    ),
    Attack(
        "publish before the changes around it are confirmed",
        ["publishing_changes_made"],
        publish(
            release_id=lambda s: s.conditional.id,
            marked_sha256=lambda s: s.conditional.marked_sha256,
        ),
        IS_THERE,
    ),
    Attack(
        "publish what was withdrawn",
        ["publishing_not_withdrawn"],
        publish(
            release_id=lambda s: s.withdrawn.id,
            marked_sha256=lambda s: s.withdrawn.marked_sha256,
        ),
        IS_THERE,
    ),
    *(
        Attack(
            f"insert a publication that is {state} already",
            ["publishing_starts_pending"],
            publish(state=lambda _, state=state: state),
            IS_THERE,
        )
        for state in ("delivering", "published", "failed", "recalling", "recalled")
    ),
    Attack(
        "attempt a delivery twice under one number",
        [
            "publishing_publication_once",
            constraint("publishing_publication", "publication_once_per_attempt"),
        ],
        lambda s: insert(
            "publishing_publication",
            **{**copied("publishing_publication", s.pending), "id": s.id},
        ),
        IS_THERE,
    ),
    Attack(
        "replace a publication by its attempt",
        ["publishing_publication_once"],
        lambda s: replace(
            "publishing_publication",
            key="id",
            **{**copied("publishing_publication", s.pending), "id": s.id},
        ),
        IS_THERE,
        vendor="sqlite",
    ),
    Attack(
        "delete a publication",
        ["publishing_publication_never_deleted"],
        lambda s: delete("publishing_publication", s.pending),
        lambda s: count("publishing_publication", id=s.pending) == 0,
    ),
    *(
        Attack(
            f"change the {column} of a publication",
            by,
            lambda s, column=column, value=value: change(
                "publishing_publication", s.pending, **{column: value(s)}
            ),
            lambda s, column=column, value=value: (
                count("publishing_publication", **{"id": s.pending, column: value(s)}) == 1
            ),
        )
        for column, value, by in (
            ("brand_id", lambda s: s.other_brand_id, ["publishing_publication_frozen"]),
            ("destination_id", lambda s: s.retired.id, ["publishing_publication_frozen"]),
            ("rendition", lambda _: "thumbnail", ["publishing_publication_frozen"]),
            ("attempt", lambda _: 7, ["publishing_publication_frozen"]),
            ("requested_by", lambda s: s.team.auditor.id, ["publishing_publication_frozen"]),
            (
                "marked_sha256",
                lambda _: OTHER_BYTES,
                ["publishing_publication_frozen", PUBLICATION_KEY],
            ),
            (
                "release_id",
                lambda s: s.withdrawn.id,
                ["publishing_publication_frozen", PUBLICATION_KEY],
            ),
        )
    ),
)


def test_only_released_bytes_go_to_an_open_destination_of_their_brand(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    attacks.play(PUBLICATIONS, scene, subtests)


def test_a_lawful_publication_is_let_through(scene: Scene) -> None:
    """The row from which each attack differs by one value is not itself refused."""
    insert("publishing_publication", **scene.publication())
    assert IS_THERE(scene)


def move(row: str, state: str) -> dict[str, Any]:
    """Return what an attack needs that sets a publication's state."""
    return {
        "act": lambda s: change("publishing_publication", getattr(s, row), state=state),
        "worked": lambda s: count("publishing_publication", id=getattr(s, row), state=state) == 1,
    }


STATES = (
    Attack(
        "call a publication published without a receipt",
        ["publishing_has_receipt"],
        **move("delivering", "published"),
    ),
    Attack(
        "call one published that nobody began",
        ["publishing_has_receipt", "publishing_publication_moves"],
        **move("pending", "published"),
    ),
    Attack(
        "deliver what was withdrawn",
        ["publishing_not_withdrawn_later"],
        **move("withdrawn_pending", "delivering"),
    ),
    Attack(
        "call a withdrawn delivery published",
        ["publishing_not_withdrawn_later"],
        **move("withdrawn_received", "published"),
    ),
    *(
        Attack(
            f"take a {row} one up again as {state}",
            ["publishing_publication_moves"],
            **move(row, state),
        )
        for row, state in (
            ("published", "pending"),
            ("published", "failed"),
            ("failed", "delivering"),
            ("failed", "pending"),
        )
    ),
)


def test_a_state_is_what_happened(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(STATES, scene, subtests)


def replace_receipt(values: dict[str, Any]) -> None:
    """Put a receipt in the place of another: `replace`, for a table with a column named key."""
    if connection.vendor == "sqlite":
        attacks._insert("INSERT OR REPLACE INTO", "publishing_receipt", values)
    else:
        end = " ON CONFLICT (id) DO UPDATE SET created_at = EXCLUDED.created_at"
        attacks._insert("INSERT INTO", "publishing_receipt", values, end)


RECEIPTS = (
    Attack(
        "write a receipt of other bytes",
        ["publishing_receipt_same_bytes"],
        lambda s: insert("publishing_receipt", **s.receipt_of(s.delivering, sha256=OTHER_BYTES)),
        has("publishing_receipt"),
    ),
    Attack(
        "write a receipt for a delivery that nobody began",
        ["publishing_receipt_same_bytes"],
        lambda s: insert("publishing_receipt", **s.receipt_of(s.pending)),
        has("publishing_receipt"),
    ),
    Attack(
        "write a receipt for a delivery that failed",
        ["publishing_receipt_same_bytes"],
        lambda s: insert("publishing_receipt", **s.receipt_of(s.failed)),
        has("publishing_receipt"),
    ),
    Attack(
        "replace the receipt of a delivery",
        ["publishing_receipt_once"],
        lambda s: replace_receipt(s.receipt_of(s.received)),
        has("publishing_receipt"),
        vendor="sqlite",
    ),
    Attack(
        "name another place on a receipt",
        ["publishing_receipt_append_only"],
        lambda s: change("publishing_receipt", s.receipt, location="file:///elsewhere"),
        lambda _: count("publishing_receipt", location="file:///elsewhere") == 1,
    ),
    Attack(
        "delete a receipt",
        ["publishing_receipt_append_only"],
        lambda s: delete("publishing_receipt", s.receipt),
        lambda s: count("publishing_receipt", id=s.receipt) == 0,
    ),
)


def test_a_receipt_proves_one_delivery_of_its_bytes(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    attacks.play(RECEIPTS, scene, subtests)


def edit(row: str, **changes: Any) -> dict[str, Any]:
    """Return what an attack needs that changes a destination."""
    return {
        "act": lambda s: change("publishing_destination", getattr(s, row).id, **changes),
        "worked": lambda s: count("publishing_destination", id=getattr(s, row).id, **changes) == 1,
    }


DESTINATIONS = (
    Attack(
        "insert a destination that is approved already",
        ["publishing_destination_starts_proposed"],
        lambda s: insert("publishing_destination", **s.destination_row(slug="mine")),
        has("publishing_destination"),
    ),
    Attack(
        "approve one's own destination",
        [constraint("publishing_destination", "destination_approved_by_another")],
        lambda s: change(
            "publishing_destination",
            s.proposed.id,
            approved_by=s.admin.id,
            approved_at=make.NOW,
        ),
        lambda s: count("publishing_destination", id=s.proposed.id, approved_by=s.admin.id) == 1,
    ),
    Attack(
        "put a proposal in another's name",
        ["publishing_destination_frozen"],
        lambda s: change("publishing_destination", s.proposed.id, proposed_by=s.team.auditor.id),
        lambda s: count("publishing_destination", proposed_by=s.team.auditor.id) == 1,
    ),
    Attack(
        "sign an approval with another name",
        ["publishing_destination_approved_once"],
        lambda s: change("publishing_destination", s.open.id, approved_by=s.team.auditor.id),
        lambda s: count("publishing_destination", approved_by=s.team.auditor.id) == 1,
    ),
    Attack(
        "open a retired destination again",
        ["publishing_destination_stays_retired"],
        lambda s: change("publishing_destination", s.retired.id, retired_at=None),
        lambda s: copied("publishing_destination", s.retired.id)["retired_at"] is None,
    ),
    Attack(
        "lead an open destination elsewhere",
        ["publishing_destination_frozen"],
        **edit("open", config='{"path": "/elsewhere"}')
        | {
            "worked": lambda s: (
                "elsewhere" in str(copied("publishing_destination", s.open.id)["config"])
            )
        },
    ),
    Attack(
        "give an open destination another credential",
        ["publishing_destination_frozen"],
        **edit("open", credential_ref="another"),
    ),
    Attack(
        "turn an open destination into another kind",
        ["publishing_destination_frozen"],
        **edit("open", kind="s3"),
    ),
    Attack(
        "give a destination to another brand",
        ["publishing_destination_frozen"],
        lambda s: change("publishing_destination", s.open.id, brand_id=s.other_brand_id),
        lambda s: count("publishing_destination", id=s.open.id, brand_id=s.other_brand_id) == 1,
    ),
    Attack(
        "propose a destination of no brand",
        [DESTINATION_BRAND],
        lambda s: insert(
            "publishing_destination",
            **{**copied("publishing_destination", s.proposed.id), "id": s.id, "brand_id": uuid7()},
        ),
        has("publishing_destination"),
    ),
    Attack(
        "delete a destination",
        ["publishing_destination_never_deleted"],
        lambda s: delete("publishing_destination", s.spare.id),
        lambda s: count("publishing_destination", id=s.spare.id) == 0,
    ),
    Attack(
        "replace a destination by its name",
        ["publishing_destination_once"],
        lambda s: replace(
            "publishing_destination",
            key="id",
            **{**copied("publishing_destination", s.proposed.id), "id": s.id},
        ),
        has("publishing_destination"),
        vendor="sqlite",
    ),
)


def test_a_destination_stays_as_it_was_approved(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(DESTINATIONS, scene, subtests)


@pytest.mark.parametrize(
    ("table", "row", "by"),
    [
        (
            "publishing_destination",
            lambda s: s.proposed.id,
            {"publishing_destination_never_deleted", "publishing_destination_once"},
        ),
        (
            "publishing_publication",
            lambda s: s.pending,
            {"publishing_publication_never_deleted", "publishing_publication_once"},
        ),
        (
            "publishing_receipt",
            lambda s: s.receipt,
            {
                "publishing_receipt_append_only",
                "publishing_receipt_once",
                "publishing_receipt_same_bytes",
            },
        ),
    ],
)
def test_no_row_is_replaced_by_its_id(
    scene: Scene, table: str, row: Callable[[Scene], UUID], by: set[str]
) -> None:
    found = row(scene)
    later = make.NOW.replace(year=2030)

    def put() -> None:
        values = {**copied(table, found), "created_at": later}
        if table == "publishing_receipt":
            replace_receipt(values)
        else:
            replace(table, key="id", **values)

    with pytest.raises(DatabaseError), transaction.atomic():
        put()
    with databases.as_owner(), transaction.atomic():
        attacks.without(list(by))
        put()
        assert "2030" in str(copied(table, found)["created_at"])
        transaction.set_rollback(True)


# A withdrawal and a publication at the same moment. SQLite has one writer: PostgreSQL shows it.


@dataclass
class Race:
    """Two transactions on connections of their own: the second starts while the first is open."""

    outcome: list[str] = field(default_factory=list)
    waited: bool = False

    def run(self, first: Callable[[], None], second: Callable[[], None]) -> list[str]:
        """Start both; commit the first once the second waits, or had its time to."""
        acted, go_on = threading.Event(), threading.Event()

        def play(name: str, act: Callable[[], None], *, holds: bool) -> None:
            try:
                with transaction.atomic():
                    act()
                    if holds:
                        acted.set()
                        go_on.wait(10)
                self.outcome.append(f"{name} committed")
            except (DatabaseError, DomainError):
                self.outcome.append(f"{name} refused")
            finally:
                acted.set()
                connection.close()

        one = threading.Thread(target=play, args=("first", first), kwargs={"holds": True})
        two = threading.Thread(target=play, args=("second", second), kwargs={"holds": False})
        one.start()
        assert acted.wait(10)
        two.start()
        two.join(0.5)
        self.waited = two.is_alive()
        go_on.set()
        one.join(10)
        two.join(10)
        # Each thread says it for itself, so the second may come to say it first.
        return sorted(self.outcome)


@pytest.fixture
def race() -> Race:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has a single writer: there is no race to lose")
    return Race()


@pytest.mark.postgresql
class TestAWithdrawalBesideAPublication:
    """Either the publication is refused, or the withdrawal finds it; never neither (F12)."""

    def order(self, scene: Scene) -> None:
        insert("publishing_publication", **scene.publication())

    def begin(self, scene: Scene) -> None:
        change("publishing_publication", scene.pending, state="delivering")

    def finish(self, scene: Scene) -> None:
        change("publishing_publication", scene.received, state="published")

    @pytest.mark.parametrize("step", ["order", "begin", "finish"])
    def test_that_comes_first_refuses_it(self, scene: Scene, race: Race, step: str) -> None:
        outcome = race.run(
            lambda: scene.withdraw(scene.release), lambda: getattr(self, step)(scene)
        )
        assert outcome == ["first committed", "second refused"]
        assert race.waited

    @pytest.mark.parametrize("step", ["order", "begin", "finish"])
    def test_that_comes_second_waits_and_finds_it(
        self, scene: Scene, race: Race, step: str
    ) -> None:
        outcome = race.run(
            lambda: getattr(self, step)(scene), lambda: scene.withdraw(scene.release)
        )
        assert outcome == ["first committed", "second committed"]
        assert race.waited

    def test_passes_it_unseen_once_the_guard_is_off(self, scene: Scene, race: Race) -> None:
        """The negative control: the harness can see what the guard prevents."""
        chosen = [g for g in guards.manifest() if g.name == "publishing_not_withdrawn"]
        with databases.as_owner():
            guards.drop(connection, iter(chosen))
        try:
            outcome = race.run(lambda: scene.withdraw(scene.release), lambda: self.order(scene))
            assert sorted(outcome) == ["first committed", "second committed"]
            assert not race.waited
        finally:
            with databases.as_owner():
                guards.install(connection)
