"""withdraw, unpublish, retry_recall: each copy is seen to be gone, or a person is asked."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from imprimatur.publishing import services, tasks
from imprimatur.publishing.destinations.folder import FolderDestination
from imprimatur.publishing.destinations.protocol import DestinationUnreachable
from imprimatur.publishing.models import Publication, Removal
from imprimatur.publishing.selectors import TRIES, PublicationRecord

from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.outbox.models import Outbox
from governance.policy.permits import NotPermitted
from governance.release.services import AlreadyWithdrawn
from tests.factories.publishing import NOW, Press, current


def published(press: Press) -> PublicationRecord:
    ordered = press.ordered()
    assert services.deliver(publication_id=ordered.id, now=NOW)
    return current(ordered)


def withdraw(press: Press, publication: PublicationRecord) -> None:
    services.withdraw(
        actor=press.team.manager,
        release_id=publication.release_id,
        reason="A wrong product.",
        now=NOW,
    )


def recalling(press: Press) -> PublicationRecord:
    sent = published(press)
    withdraw(press, sent)
    return current(sent)


def unpublish(publication: PublicationRecord) -> bool:
    return services.unpublish(publication_id=publication.id, now=NOW)


def let_time_pass(publication: PublicationRecord) -> None:
    """Let the lease, or the wait before the next try, run out."""
    Publication.objects.filter(pk=publication.id).update(lease_until=Now() - timedelta(seconds=1))


def files(press: Press) -> list[Path]:
    return sorted(path for path in (press.place / "folder").rglob("*") if path.is_file())


def outcomes() -> list[str]:
    rows = Entry.objects.filter(event__startswith="publishing.publication.").order_by("id")
    return [event.rsplit(".", 1)[1] for event in rows.values_list("event", flat=True)]


def hints() -> int:
    return Outbox.objects.filter(task="publishing.unpublish").count()


class TestWithdraw:
    def test_begins_the_recall_of_every_copy_in_the_same_transaction(self, press: Press) -> None:
        sent = published(press)
        elsewhere = press.ordered(None, press.destination("elsewhere"))
        withdraw(press, sent)
        assert current(sent).state == "recalling"
        assert current(elsewhere).state == "pending", "another release stays as it is"
        assert hints() == 1
        assert outcomes()[-1] == "recall_begun"

    def test_recalls_a_failed_delivery_that_may_have_left_its_bytes(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered = press.ordered()

        def lie(*_: Any) -> None:
            raise DestinationUnreachable("The destination gave no complete answer.")

        with monkeypatch.context() as context:
            context.setattr(FolderDestination, "verify", lie)
            for _ in range(TRIES):
                services.deliver(publication_id=ordered.id, now=NOW)
                let_time_pass(ordered)
        assert (current(ordered).state, len(files(press))) == ("failed", 2)
        withdraw(press, ordered)
        assert unpublish(ordered)
        assert (current(ordered).state, files(press)) == ("recalled", [])

    def test_changes_nothing_a_second_time(self, press: Press) -> None:
        sent = recalling(press)
        with pytest.raises(AlreadyWithdrawn):
            withdraw(press, sent)
        assert hints() == 1


class TestUnpublish:
    def test_takes_the_bytes_away_and_leaves_one_proof(self, press: Press) -> None:
        sent = recalling(press)
        assert len(files(press)) == 2
        assert unpublish(sent)
        assert files(press) == []
        gone = current(sent)
        assert (gone.state, gone.recalled_at, gone.failure) == ("recalled", NOW, "")
        assert gone.published_at == NOW, "the receipt of the delivery stays"
        removal = Removal.objects.get(publication_id=sent.id)
        assert (removal.sha256, removal.found) == (sent.marked_sha256, "removed")
        assert outcomes() == ["requested", "delivered", "recall_begun", "recalled"]

    def test_does_it_once_when_it_runs_twice(self, press: Press) -> None:
        sent = recalling(press)
        assert unpublish(sent)
        assert not unpublish(sent)
        tasks.unpublish(publication_id=str(sent.id), later="argument")
        assert Removal.objects.count() == 1

    def test_leaves_alone_what_was_not_withdrawn(self, press: Press) -> None:
        sent = published(press)
        assert not unpublish(sent)
        assert not services.unpublish(publication_id=uuid7(), now=NOW)
        assert (current(sent).state, len(files(press))) == ("published", 2)

    def test_says_that_somebody_else_had_removed_it(self, press: Press) -> None:
        sent = recalling(press)
        for path in files(press):
            path.unlink()
        assert unpublish(sent)
        assert Removal.objects.get().found == "was_gone"

    def test_leaves_other_bytes_in_its_place_and_says_so(
        self, press: Press, caplog: pytest.LogCaptureFixture
    ) -> None:
        sent = recalling(press)
        path = next(path for path in files(press) if path.suffix == ".png")
        path.write_bytes(b"somebody else's")
        assert unpublish(sent)
        assert Removal.objects.get().found == "replaced_by_other_bytes"
        assert path.read_bytes() == b"somebody else's"
        assert "Other bytes lie where a recalled image was" in caplog.text

    def test_reaches_a_destination_that_was_closed_meanwhile(self, press: Press) -> None:
        sent = published(press)
        services.retire_destination(actor=press.admin, destination_id=sent.destination_id, now=NOW)
        withdraw(press, sent)
        assert unpublish(sent)
        assert files(press) == []

    def test_is_fenced_off_when_its_lease_ran_out_and_another_removed_it(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent, remove, others = recalling(press), FolderDestination.remove, []

        def remove_after_a_long_sleep(*args: Any) -> Any:
            monkeypatch.setattr(FolderDestination, "remove", remove)
            let_time_pass(sent)
            others.append(unpublish(sent))
            return remove(*args)

        monkeypatch.setattr(FolderDestination, "remove", remove_after_a_long_sleep)
        assert not unpublish(sent)
        assert others == [True]
        assert Removal.objects.get().found == "removed"

    def test_is_left_to_the_publisher_that_holds_it(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent, remove, inner = recalling(press), FolderDestination.remove, []

        def remove_while_another_is_woken(*args: Any) -> Any:
            inner.append(unpublish(sent))
            return remove(*args)

        monkeypatch.setattr(FolderDestination, "remove", remove_while_another_is_woken)
        assert unpublish(sent)
        assert inner == [False]


class TestADestinationThatIsDown:
    def test_is_tried_again_after_a_wait_that_doubles(self, press: Press) -> None:
        sent = recalling(press)
        (press.place / "folder").rename(press.place / "unmounted")
        waits = []
        for _ in range(3):
            assert not unpublish(sent)
            row = Publication.objects.annotate(wait=F("lease_until") - Now()).get()
            waits.append(round(row.wait.total_seconds()))
            assert (row.state, current(sent).waits_for_person) == ("recalling", False)
            let_time_pass(sent)
        assert waits == [5, 10, 20]
        (press.place / "unmounted").rename(press.place / "folder")
        assert unpublish(sent)
        assert outcomes()[-2:] == ["recall_begun", "recalled"]

    def test_waits_for_a_person_after_the_last_try(
        self, press: Press, caplog: pytest.LogCaptureFixture
    ) -> None:
        sent = stuck(press)
        assert current(sent).state == "recalling"
        assert current(sent).waits_for_person
        assert current(sent).failure.startswith("The destination's folder does not exist")
        assert "A withdrawn image could not be taken away" in caplog.text
        assert outcomes()[-1] == "recall_failed"
        assert not unpublish(sent)
        assert services.sweep(now=NOW + timedelta(hours=1)) == 0

    def test_is_a_publisher_that_keeps_dying(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = recalling(press)

        def die(*_: Any) -> None:
            raise SystemExit

        monkeypatch.setattr(FolderDestination, "remove", die)
        for _ in range(TRIES):
            with pytest.raises(SystemExit):
                unpublish(sent)
            let_time_pass(sent)
        assert not unpublish(sent)
        assert current(sent).failure == (
            "The publisher stopped 5 times while taking this image away."
        )
        assert current(sent).waits_for_person

    def test_never_shows_what_the_destination_said_in_its_own_words(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = recalling(press)

        def fail(*_: Any) -> None:
            raise OSError("/secret/path: Input/output error")

        monkeypatch.setattr(FolderDestination, "remove", fail)
        assert not unpublish(sent)
        assert "secret" not in current(sent).failure


def stuck(press: Press) -> PublicationRecord:
    """Return a recall that waits for a person."""
    sent = recalling(press)
    (press.place / "folder").rename(press.place / "unmounted")
    for _ in range(TRIES):
        assert not current(sent).waits_for_person
        unpublish(sent)
        let_time_pass(sent)
    return sent


class TestRetryRecall:
    def test_tries_anew_and_ends(self, press: Press) -> None:
        sent = stuck(press)
        (press.place / "unmounted").rename(press.place / "folder")
        before = hints()
        again = services.retry_recall(
            actor=press.team.compliance_reviewer, publication_id=sent.id, now=NOW
        )
        assert (again.state, again.failure, again.waits_for_person) == ("recalling", "", False)
        assert hints() == before + 1
        assert unpublish(sent)
        assert outcomes()[-2:] == ["recall_retried", "recalled"]

    def test_refuses_a_recall_that_waits_for_nobody(self, press: Press) -> None:
        sent = recalling(press)
        for _ in range(2):
            with pytest.raises(IllegalTransition):
                services.retry_recall(actor=press.team.manager, publication_id=sent.id, now=NOW)
            unpublish(sent)

    def test_is_not_the_marketers(self, press: Press) -> None:
        sent = stuck(press)
        with pytest.raises(NotPermitted):
            services.retry_recall(actor=press.marketer, publication_id=sent.id, now=NOW)
        assert current(sent).waits_for_person

    def test_does_not_know_another_brands(self, press: Press, other_press: Press) -> None:
        sent = stuck(press)
        with pytest.raises(NotFound):
            services.retry_recall(actor=other_press.team.manager, publication_id=sent.id, now=NOW)


class TestSweep:
    def test_hints_a_recall_again_after_a_while(self, press: Press) -> None:
        recalling(press)
        before = hints()
        assert services.sweep(now=NOW + timedelta(seconds=10)) == 0
        assert services.sweep(now=NOW + timedelta(seconds=16)) == 1
        assert hints() == before + 1

    def test_leaves_a_recall_alone_until_its_lease_ran_out(self, press: Press) -> None:
        sent = recalling(press)
        (press.place / "folder").rename(press.place / "unmounted")
        unpublish(sent)
        later = NOW + timedelta(seconds=16)
        assert services.sweep(now=later) == 0
        let_time_pass(sent)
        assert services.sweep(now=later) == 1
