"""Promise 1, the way back: what is withdrawn is taken away, and nothing says so that is not so."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from imprimatur.publishing import services
from imprimatur.publishing.destinations.folder import FolderDestination
from imprimatur.publishing.models import Publication, Receipt, Removal
from imprimatur.publishing.selectors import PublicationRecord
from imprimatur.publishing.services import _deliver, _leases, _recall

from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.ledger import services as ledger
from governance.sealing import services as sealing
from governance.tables import guards
from tests import databases
from tests.factories import publishing as factory
from tests.factories import review as make
from tests.factories.publishing import NOW, Press, current
from tests.promises import attacks, test_publishing
from tests.promises.attacks import (
    Attack,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
)
from tests.promises.test_publishing import OTHER_BYTES, has, move

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Scene(test_publishing.Scene):
    """The way out in mid-work, and beside it the way back: a recall that runs, one that is over."""

    recalling: UUID = field(init=False)
    recalled: UUID = field(init=False)
    removal: UUID = field(default_factory=uuid7)
    finding: UUID = field(default_factory=uuid7)
    quarantine: UUID = field(default_factory=uuid7)
    closure: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        super().__post_init__()
        again = make.released(self.team, make.open_case(self.team), self.folder / "relay")
        self.recalling, self.recalled = (
            self.ordered(again, "delivering", "published", receipt=True) for _ in range(2)
        )
        self.withdraw(again)
        Publication.objects.filter(release_id=again.id).update(state="recalling")
        insert("publishing_removal", **self.removal_of(self.recalled, id=self.removal))
        Publication.objects.filter(pk=self.recalled).update(state="recalled")
        insert("publishing_finding", **self.finding_row(id=self.finding))
        insert("publishing_quarantine", **self.quarantine_row(id=self.quarantine))
        insert("publishing_closure", **self.closure_row(id=self.closure))

    def removal_of(self, publication_id: UUID, **changes: Any) -> dict[str, Any]:
        """Return the row of a removal of a publication's bytes."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "publication_id": publication_id,
            "sha256": Publication.objects.get(pk=publication_id).marked_sha256,
            "key": "a/b.png",
            "found": "removed",
            "verified_at": make.NOW,
            **changes,
        }

    def finding_row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of something that nobody authorised."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "brand_id": self.team.brand_id,
            "destination_id": self.open.id,
            "publication_id": None,
            "kind": "unknown_object",
            "key": "a/b.png",
            "etag": "",
            "size_bytes": 1,
            **changes,
        }

    def quarantine_row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of where that was put."""
        return {
            "id": self.id,
            "created_at": make.NOW,
            "finding_id": self.finding,
            "location": "file:///ward/a",
            **changes,
        }

    def closure_row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of what a person made of it."""
        person = self.team.manager.id
        return {
            "id": self.id,
            "created_at": make.NOW,
            "finding_id": self.finding,
            "actor_id": person,
            "reason": sealing.seal(person_id=person, text="Known.", purpose="test"),
            **changes,
        }


@pytest.fixture
def _installation(settings: Any, tmp_path: Path) -> None:
    make.use_sealing_key(settings, tmp_path)
    settings.DESTINATION_ROOTS = [tmp_path.resolve()]


@pytest.fixture
def scene(tmp_path: Path, _installation: None) -> Iterator[Scene]:
    yield Scene(tmp_path)
    assert guards.missing(connection) == []


STATES = (
    Attack(
        "recall what nobody withdrew",
        ["publishing_recalled_when_withdrawn"],
        **move("published", "recalling"),
    ),
    Attack(
        "recall a delivery that nobody withdrew",
        ["publishing_recalled_when_withdrawn"],
        **move("delivering", "recalling"),
    ),
    Attack(
        "call a recall over without its proof",
        ["publishing_has_removal"],
        **move("recalling", "recalled"),
    ),
    *(
        Attack(
            f"call what is {row} {state} again",
            ["publishing_not_withdrawn_later", "publishing_publication_moves"],
            **move(row, state),
        )
        for row in ("recalling", "recalled")
        for state in ("delivering", "published")
    ),
    *(
        Attack(
            f"forget that it is {row}: call it {state}",
            ["publishing_publication_moves"],
            **move(row, state),
        )
        for row, state in (
            ("recalling", "pending"),
            ("recalling", "failed"),
            ("recalled", "pending"),
            ("recalled", "failed"),
            ("recalled", "recalling"),
        )
    ),
)


def test_a_recall_is_what_happened(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(STATES, scene, subtests)


def test_a_lawful_recall_is_let_through(scene: Scene) -> None:
    """The rows from which the attacks differ by one value are not themselves refused."""
    insert("publishing_removal", **scene.removal_of(scene.recalling))
    change("publishing_publication", scene.recalling, state="recalled")
    assert has("publishing_removal")(scene)


def replace_row(table: str, values: dict[str, Any]) -> None:
    """Put a row in the place of another: `replace`, for tables with a column named key."""
    assert connection.vendor == "sqlite"
    attacks._insert("INSERT OR REPLACE INTO", table, values)


EVIDENCE = (
    Attack(
        "prove the removal of other bytes",
        ["publishing_removal_same_bytes"],
        lambda s: insert("publishing_removal", **s.removal_of(s.recalling, sha256=OTHER_BYTES)),
        has("publishing_removal"),
    ),
    *(
        Attack(
            f"prove the removal of what is {row}",
            ["publishing_removal_same_bytes"],
            lambda s, row=row: insert("publishing_removal", **s.removal_of(getattr(s, row))),
            has("publishing_removal"),
        )
        for row in ("pending", "published", "failed")
    ),
    Attack(
        "find something else than what can be found",
        [constraint("publishing_removal", "removal_found")],
        lambda s: insert("publishing_removal", **s.removal_of(s.recalling, found="nothing")),
        has("publishing_removal"),
    ),
    Attack(
        "find something at another brand's destination",
        ["publishing_finding_same_brand"],
        lambda s: insert("publishing_finding", **s.finding_row(destination_id=s.others.id)),
        has("publishing_finding"),
    ),
    Attack(
        "hide what was found from its brand",
        ["publishing_finding_same_brand"],
        lambda s: insert("publishing_finding", **s.finding_row(brand_id=s.other_brand_id)),
        has("publishing_finding"),
    ),
    *(
        Attack(
            f"delete a {row}",
            [f"publishing_{row}_append_only"],
            lambda s, row=row: delete(f"publishing_{row}", getattr(s, row)),
            lambda s, row=row: count(f"publishing_{row}", id=getattr(s, row)) == 0,
        )
        for row in ("removal", "quarantine", "closure")
    ),
    *(
        Attack(
            f"change the {column} of a {row}",
            [f"publishing_{row}_append_only"],
            lambda s, row=row, column=column, value=value: change(
                f"publishing_{row}", getattr(s, row), **{column: value}
            ),
            lambda s, row=row, column=column, value=value: (
                count(f"publishing_{row}", **{"id": getattr(s, row), column: value}) == 1
            ),
        )
        for row, column, value in (
            ("removal", "found", "was_gone"),
            ("finding", "kind", "missing_object"),
            ("quarantine", "location", "file:///elsewhere"),
            ("closure", "actor_id", uuid7()),
        )
    ),
    *(
        Attack(
            f"replace a {row} by what it is about",
            [f"publishing_{row}_once"],
            lambda s, row=row: replace_row(
                f"publishing_{row}",
                {**copied(f"publishing_{row}", getattr(s, row)), "id": s.id.hex},
            ),
            lambda s, row=row: count(f"publishing_{row}", id=s.id) == 1,
            vendor="sqlite",
        )
        for row in ("quarantine", "closure")
    ),
    Attack(
        "replace a removal by what it is about",
        ["publishing_removal_once", "publishing_removal_same_bytes"],
        lambda s: replace_row(
            "publishing_removal", {**copied("publishing_removal", s.removal), "id": s.id.hex}
        ),
        lambda s: count("publishing_removal", id=s.id) == 1,
        vendor="sqlite",
    ),
)


def test_what_was_removed_or_found_stays_on_record(scene: Scene, subtests: pytest.Subtests) -> None:
    attacks.play(EVIDENCE, scene, subtests)


# A withdrawal in the midst of a delivery, on two connections (F12): PostgreSQL shows it.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return factory.make_authority(tmp_path_factory.mktemp("authority") / "publisher")


@pytest.fixture
def press(settings: Any, tmp_path: Path, authority: Path, db: None) -> Press:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has a single writer: there is no race to lose")
    factory.use_installation(settings, tmp_path, authority)
    return Press(tmp_path)


@dataclass
class Pause:
    """Stops one thread before or after a call of `name` on `owner`, until another has acted."""

    owner: Any
    name: str
    when: str
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        return f"{self.when} {self.name}"

    def arm(self, monkeypatch: pytest.MonkeyPatch, only: threading.Thread) -> None:
        """Stop that thread, the first time it comes by."""
        original = getattr(self.owner, self.name)

        def stop() -> None:
            if threading.current_thread() is only and not self.reached.is_set():
                self.reached.set()
                self.go_on.wait(10)

        def pausing(*args: Any, **named: Any) -> Any:
            if self.when == "before":
                stop()
            result = original(*args, **named)
            if self.when == "after":
                stop()
            return result

        monkeypatch.setattr(self.owner, self.name, pausing)


def pauses(*points: tuple[Any, str]) -> list[tuple[Any, str, str]]:
    return [(*point, when) for point in points for when in ("before", "after")]


DELIVERY = pauses(
    (_leases, "to_deliver"),
    (FolderDestination, "put"),
    (FolderDestination, "verify"),
    (_leases, "fence"),
    (Receipt.objects, "create"),
    (_deliver, "move"),
    (ledger, "append"),
)
WITHDRAWAL = pauses(
    (_recall.release_services, "withdraw"),
    (_recall, "begin_recall"),
    (_leases, "in_order"),
    (_recall, "move"),
)


def in_a_thread(act: Callable[[], object], outcome: list[str]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        except (DomainError, DatabaseError) as error:
            outcome.append(repr(error))
        finally:
            connection.close()

    return threading.Thread(target=run)


def deliver(publication: PublicationRecord) -> Callable[[], object]:
    return lambda: services.deliver(publication_id=publication.id, now=NOW)


def withdraw(press: Press, publication: PublicationRecord) -> Callable[[], object]:
    return lambda: services.withdraw(
        actor=press.team.manager, release_id=publication.release_id, reason="Wrong.", now=NOW
    )


def race(
    first: Callable[[], object],
    second: Callable[[], object],
    pause: Pause,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """Stop the first at the pause, let the second act, or wait for the first, then both end."""
    outcome: list[str] = []
    one, two = in_a_thread(first, outcome), in_a_thread(second, outcome)
    pause.arm(monkeypatch, one)
    one.start()
    reached = pause.reached.wait(10)
    two.start()
    two.join(0.3)
    pause.go_on.set()
    one.join(20)
    two.join(20)
    assert not one.is_alive()
    assert not two.is_alive()
    return outcome if reached else [*outcome, "not reached"]


def settle(press: Press, publication: PublicationRecord) -> None:
    """Let the publisher do what it was hinted at, and what its leases held back."""
    for _ in range(3):
        Publication.objects.filter(lease_until__isnull=False).update(lease_until=Now())
        services.deliver(publication_id=publication.id, now=NOW)
        services.unpublish(publication_id=publication.id, now=NOW)


def is_out(press: Press) -> bool:
    return any(press.place.rglob("*.png"))


@pytest.mark.postgresql
class TestAWithdrawalInTheMidstOfADelivery:
    """Either nothing went out, or it was taken away again: never neither."""

    def check(self, press: Press, publication: PublicationRecord, outcome: list[str]) -> None:
        assert outcome == []
        settle(press, publication)
        state = current(publication).state
        assert not is_out(press)
        assert state in {"failed", "recalled"}
        assert Removal.objects.count() == (1 if state == "recalled" else 0)
        assert state == "recalled" or Receipt.objects.count() == 0

    @pytest.mark.parametrize(("owner", "name", "when"), DELIVERY, ids=str)
    def test_finds_what_the_delivery_did_so_far(
        self, press: Press, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, when: str
    ) -> None:
        ordered = press.ordered()
        pause = Pause(owner, name, when)
        outcome = race(deliver(ordered), withdraw(press, ordered), pause, monkeypatch)
        self.check(press, ordered, outcome)

    @pytest.mark.parametrize(("owner", "name", "when"), WITHDRAWAL, ids=str)
    def test_is_found_by_a_delivery_that_begins_meanwhile(
        self, press: Press, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, when: str
    ) -> None:
        release = press.recorded()
        ordered = press.ordered(release)
        # A copy that is out already, so that there is something to move.
        sent = press.ordered(release, press.destination("elsewhere"))
        services.deliver(publication_id=sent.id, now=NOW)
        pause = Pause(owner, name, when)
        outcome = race(withdraw(press, ordered), deliver(ordered), pause, monkeypatch)
        assert outcome == []
        for publication in (ordered, sent):
            settle(press, publication)
            assert current(publication).state in {"failed", "recalled"}
        assert not is_out(press)

    def test_leaves_the_image_outside_once_the_service_does_not_look(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The negative control: without its guard and its recall the harness sees an image out."""
        ordered = press.ordered()
        chosen = [g for g in guards.manifest() if g.name == "publishing_not_withdrawn_later"]
        monkeypatch.setattr(_recall, "begin_recall", lambda **_: 0)
        monkeypatch.setattr(_deliver, "leave_to_recall", lambda *_: None)
        with databases.as_owner():
            guards.drop(connection, iter(chosen))
        try:
            pause = Pause(FolderDestination, "verify", "after")
            race(deliver(ordered), withdraw(press, ordered), pause, monkeypatch)
            settle(press, ordered)
            assert is_out(press)
        finally:
            with databases.as_owner():
                guards.install(connection)
