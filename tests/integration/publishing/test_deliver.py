"""deliver: one lease, one object, one receipt; what waiting cures is tried again, the rest ends."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from imprimatur.publishing import services, tasks
from imprimatur.publishing.destinations import folder
from imprimatur.publishing.destinations.protocol import Delivered, DestinationUnreachable
from imprimatur.publishing.models import Publication, Receipt
from imprimatur.publishing.selectors import PublicationRecord
from imprimatur.publishing.services import _deliver

from generation.assets import blobs
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.outbox.models import Outbox
from governance.release import services as release_services
from governance.review import services as review
from tests.factories.publishing import NOW, Press, current

WAYS_OUT = folder.FolderDestination


def deliver(publication: PublicationRecord) -> bool:
    return services.deliver(publication_id=publication.id, now=NOW)


def let_time_pass(publication: PublicationRecord) -> None:
    """Let the lease, or the wait before the next try, run out."""
    Publication.objects.filter(pk=publication.id).update(lease_until=Now() - timedelta(seconds=1))


def files(press: Press) -> list[Path]:
    """Return what lies at the folder destination, beside the notes."""
    return sorted((press.place / "folder").rglob("*.png"))


def outcomes() -> list[str]:
    rows = Entry.objects.filter(event__startswith="publishing.publication.").order_by("id")
    return [event.rsplit(".", 1)[1] for event in rows.values_list("event", flat=True)]


def unpublish(publication: PublicationRecord) -> bool:
    return services.unpublish(publication_id=publication.id, now=NOW)


def withdraw(press: Press, publication: PublicationRecord) -> None:
    services.withdraw(
        actor=press.team.manager,
        release_id=publication.release_id,
        reason="A wrong product.",
        now=NOW,
    )


def withdraw_while_it_is_verified(
    press: Press, publication: PublicationRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = WAYS_OUT.verify

    def verify_while_it_is_withdrawn(*args: Any) -> None:
        verify(*args)
        monkeypatch.setattr(WAYS_OUT, "verify", verify)
        withdraw(press, publication)

    monkeypatch.setattr(WAYS_OUT, "verify", verify_while_it_is_withdrawn)


class TestDeliver:
    def test_puts_the_marked_bytes_there_and_leaves_one_receipt(self, press: Press) -> None:
        ordered = press.ordered()
        assert deliver(ordered)
        (path,) = files(press)
        sha256 = ordered.marked_sha256
        assert sha256_hex(path.read_bytes()) == sha256
        assert path.relative_to(press.place / "folder").as_posix() == (
            f"{press.brand_id}/{sha256[:2]}/{sha256}.png"
        )
        published = current(ordered)
        assert (published.state, published.location) == ("published", path.as_uri())
        assert (published.published_at, published.failure) == (NOW, "")
        receipt = Receipt.objects.get(publication_id=ordered.id)
        assert (receipt.sha256, receipt.size_bytes) == (sha256, path.stat().st_size)
        assert outcomes() == ["requested", "delivered"]

    def test_says_with_the_file_which_release_it_is(self, press: Press) -> None:
        ordered = press.ordered()
        deliver(ordered)
        (path,) = files(press)
        note = json.loads(path.with_name(path.name + folder.SIDECAR_SUFFIX).read_text())
        assert note["metadata"]["release"] == str(ordered.release_id)
        assert note["sha256"] == ordered.marked_sha256

    def test_does_it_once_when_it_runs_twice(self, press: Press) -> None:
        ordered = press.ordered()
        assert deliver(ordered)
        assert not deliver(ordered)
        tasks.deliver(publication_id=str(ordered.id), later="argument")
        assert Receipt.objects.count() == 1
        assert outcomes() == ["requested", "delivered"]

    def test_does_nothing_for_a_publication_that_is_not_there(self, press: Press) -> None:
        assert not services.deliver(publication_id=uuid7(), now=NOW)

    def test_leaves_a_delivery_that_another_publisher_holds(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, put, inner = press.ordered(), WAYS_OUT.put, []

        def put_while_another_is_woken(*args: Any, **named: Any) -> Delivered:
            inner.append(deliver(ordered))
            return put(*args, **named)

        monkeypatch.setattr(WAYS_OUT, "put", put_while_another_is_woken)
        assert deliver(ordered)
        assert inner == [False]
        assert Receipt.objects.count() == 1

    def test_is_fenced_off_when_its_lease_ran_out_and_another_delivered(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, verify, others = press.ordered(), WAYS_OUT.verify, []

        def verify_after_a_long_sleep(*args: Any) -> None:
            monkeypatch.setattr(WAYS_OUT, "verify", verify)
            let_time_pass(ordered)
            others.append(deliver(ordered))
            verify(*args)

        monkeypatch.setattr(WAYS_OUT, "verify", verify_after_a_long_sleep)
        assert not deliver(ordered)
        assert others == [True]
        assert Receipt.objects.count() == 1
        assert outcomes() == ["requested", "delivered"]

    def test_of_a_fenced_publisher_cannot_fail_what_another_delivered(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, put = press.ordered(), WAYS_OUT.put

        def put_too_late(*args: Any, **named: Any) -> Delivered:
            monkeypatch.setattr(WAYS_OUT, "put", put)
            let_time_pass(ordered)
            deliver(ordered)
            raise DestinationUnreachable("The destination gave no complete answer.")

        monkeypatch.setattr(WAYS_OUT, "put", put_too_late)
        assert not deliver(ordered)
        assert (current(ordered).state, current(ordered).failure) == ("published", "")


class TestADestinationThatIsDown:
    def test_is_tried_again_after_a_wait_that_doubles(self, press: Press) -> None:
        ordered = press.ordered()
        (press.place / "folder").rename(press.place / "unmounted")
        waits = []
        for _ in range(3):
            assert not deliver(ordered)
            row = Publication.objects.annotate(wait=F("lease_until") - Now()).get()
            waits.append(round(row.wait.total_seconds()))
            assert (row.state, current(ordered).failure) == (
                "delivering",
                "The destination's folder does not exist or cannot be opened.",
            )
            let_time_pass(ordered)
        assert waits == [5, 10, 20]
        (press.place / "unmounted").rename(press.place / "folder")
        assert deliver(ordered)
        assert (current(ordered).state, current(ordered).failure) == ("published", "")
        assert outcomes() == ["requested", "delivered"]

    def test_is_left_alone_while_it_waits(self, press: Press) -> None:
        ordered = press.ordered()
        (press.place / "folder").rmdir()
        deliver(ordered)
        tries = Publication.objects.get().tries
        assert not deliver(ordered)
        assert Publication.objects.get().tries == tries == 1

    def test_waits_for_a_person_after_the_last_try(self, press: Press) -> None:
        ordered = press.ordered()
        (press.place / "folder").rmdir()
        for _ in range(_deliver.TRIES):
            assert current(ordered).state != "failed"
            deliver(ordered)
            let_time_pass(ordered)
        assert current(ordered).state == "failed"
        assert current(ordered).failure.startswith("The destination's folder does not exist")
        assert outcomes() == ["requested", "failed"]
        assert not deliver(ordered)


class TestAPublisherThatKeepsDying:
    def test_ends_the_delivery_as_failed(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Poison is not tried for ever: a try that ends with the process counts as well."""
        ordered = press.ordered()

        def die(*_: Any, **__: Any) -> Delivered:
            raise SystemExit

        monkeypatch.setattr(WAYS_OUT, "put", die)
        for _ in range(_deliver.TRIES):
            with pytest.raises(SystemExit):
                deliver(ordered)
            let_time_pass(ordered)
        assert not deliver(ordered)
        assert current(ordered).failure == (
            "The publisher stopped 5 times while delivering this image."
        )
        assert outcomes() == ["requested", "failed"]

    def test_survives_an_error_of_its_own(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, get = press.ordered(), blobs.get

        def fail(_: str) -> bytes:
            raise OSError("/secret/path: Input/output error")

        monkeypatch.setattr(blobs, "get", fail)
        assert not deliver(ordered)
        assert current(ordered).state == "delivering"
        assert "secret" not in current(ordered).failure
        monkeypatch.setattr(blobs, "get", get)
        let_time_pass(ordered)
        assert deliver(ordered)


class TestWhatNoWaitingCures:
    def test_is_other_bytes_in_the_way_and_they_are_left_there(self, press: Press) -> None:
        ordered = press.ordered()
        sha256 = ordered.marked_sha256
        taken = press.place / "folder" / str(press.brand_id) / sha256[:2] / f"{sha256}.png"
        taken.parent.mkdir(parents=True)
        taken.write_bytes(b"somebody else's")
        assert not deliver(ordered)
        assert current(ordered).state == "failed"
        assert current(ordered).failure.endswith("they were not touched.")
        assert taken.read_bytes() == b"somebody else's"
        assert Receipt.objects.count() == 0

    def test_is_bytes_that_read_back_wrong_and_they_are_taken_away(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, put = press.ordered(), WAYS_OUT.put

        def put_corrupted(*args: Any, **named: Any) -> Delivered:
            delivered = put(*args, **named)
            files(press)[0].write_bytes(b"corrupt")
            return delivered

        monkeypatch.setattr(WAYS_OUT, "put", put_corrupted)
        assert not deliver(ordered)
        assert current(ordered).state == "failed"
        assert "other bytes" in current(ordered).failure
        assert files(press) == []
        assert Receipt.objects.count() == 0
        assert outcomes() == ["requested", "failed"]

    @pytest.mark.parametrize("damage", ["missing", "corrupt"])
    def test_is_the_loss_of_the_marked_bytes(
        self, press: Press, tmp_path: Path, damage: str
    ) -> None:
        ordered = press.ordered()
        sha256 = ordered.marked_sha256
        path = tmp_path / "blobs" / sha256[:2] / sha256[2:4] / sha256
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(b"corrupt")
        assert not deliver(ordered)
        assert current(ordered).state == "failed"
        assert current(ordered).failure.startswith("The image's bytes")
        assert files(press) == []

    def test_is_a_destination_that_was_closed_meanwhile(self, press: Press) -> None:
        ordered = press.ordered()
        services.retire_destination(
            actor=press.admin, destination_id=ordered.destination_id, now=NOW
        )
        assert not deliver(ordered)
        assert current(ordered).state == "failed"
        assert current(ordered).failure.startswith("The destination was closed")
        assert files(press) == []

    def test_is_a_folder_that_the_installation_no_longer_opens(
        self, press: Press, tmp_path: Path
    ) -> None:
        ordered = press.ordered()
        (press.place / "folder").rmdir()
        (tmp_path / "outside").mkdir()
        (press.place / "folder").symlink_to(tmp_path / "outside")
        assert not deliver(ordered)
        assert current(ordered).state == "failed"
        assert list((tmp_path / "outside").iterdir()) == []

    def test_is_a_credential_that_the_publisher_lacks(self, press: Press) -> None:
        config = {"bucket": "assets", "region": "us-east-1", "endpoint_url": "http://127.0.0.1:9"}
        target = press.destination("s3", kind="s3", config=config, credential_ref="nobody")
        ordered = press.ordered(destination=target)
        assert not deliver(ordered)
        assert current(ordered).failure == (
            "This process does not have the credential that the destination names."
        )


class TestAWithdrawnRelease:
    def test_is_not_delivered(self, press: Press) -> None:
        ordered = press.ordered()
        withdraw(press, ordered)
        assert not deliver(ordered)
        assert current(ordered).state == "failed"
        assert current(ordered).failure == "The image was withdrawn before it was delivered."
        assert files(press) == []
        assert outcomes() == ["requested", "failed"]
        assert services.sweep(now=NOW + timedelta(hours=1)) == 0

    def test_is_not_delivered_when_the_withdrawal_comes_between(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The service looks too early; the guard does not."""
        ordered, look = press.ordered(), _deliver._ends_withdrawn

        def look_too_early(*_: Any) -> bool:
            monkeypatch.setattr(_deliver, "_ends_withdrawn", look)
            withdraw(press, ordered)
            return False

        monkeypatch.setattr(_deliver, "_ends_withdrawn", look_too_early)
        assert not deliver(ordered)
        assert current(ordered).state == "failed"
        assert files(press) == []

    def test_is_taken_away_when_the_withdrawal_comes_while_it_is_sent(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered = press.ordered()
        withdraw_while_it_is_verified(press, ordered, monkeypatch)
        assert not deliver(ordered)
        assert current(ordered).state == "recalling"
        assert files(press) == []
        assert Receipt.objects.count() == 0
        assert unpublish(ordered)
        assert current(ordered).state == "recalled"
        assert outcomes() == ["requested", "recall_begun", "recalled"]

    def test_is_taken_away_as_well_when_the_withdrawal_was_written_past_us(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the row of the withdrawal is there, and nobody moved the publication."""
        ordered, verify = press.ordered(), WAYS_OUT.verify

        def verify_while_it_is_withdrawn(*args: Any) -> None:
            verify(*args)
            monkeypatch.setattr(WAYS_OUT, "verify", verify)
            release_services.withdraw(
                actor=press.team.manager,
                release_id=ordered.release_id,
                reason="A wrong product.",
                now=NOW,
            )

        monkeypatch.setattr(WAYS_OUT, "verify", verify_while_it_is_withdrawn)
        assert not deliver(ordered)
        assert (current(ordered).state, files(press)) == ("recalling", [])
        assert unpublish(ordered)

    def test_is_taken_away_after_a_publisher_that_was_killed_had_sent_it(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, verify = press.ordered(), WAYS_OUT.verify

        def die(*_: Any) -> None:
            raise SystemExit

        monkeypatch.setattr(WAYS_OUT, "verify", die)
        with pytest.raises(SystemExit):
            deliver(ordered)
        assert len(files(press)) == 1
        monkeypatch.setattr(WAYS_OUT, "verify", verify)
        withdraw(press, ordered)
        assert not unpublish(ordered), "the lease of whoever may still be sending it holds"
        let_time_pass(ordered)
        assert not deliver(ordered)
        assert unpublish(ordered)
        assert (current(ordered).state, files(press)) == ("recalled", [])

    def test_is_taken_away_by_a_publisher_that_slept_through_the_whole_recall(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, put = press.ordered(), WAYS_OUT.put

        def put_much_later(*args: Any, **named: Any) -> Delivered:
            withdraw(press, ordered)
            let_time_pass(ordered)
            assert unpublish(ordered)
            return put(*args, **named)

        monkeypatch.setattr(WAYS_OUT, "put", put_much_later)
        assert not deliver(ordered)
        assert (current(ordered).state, files(press)) == ("recalled", [])

    def test_is_recalled_when_the_destination_does_not_let_it_be_taken_away_at_once(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ordered, remove = press.ordered(), WAYS_OUT.remove

        def fail(*_: Any) -> None:
            raise DestinationUnreachable("The destination gave no complete answer.")

        withdraw_while_it_is_verified(press, ordered, monkeypatch)
        monkeypatch.setattr(WAYS_OUT, "remove", fail)
        assert not deliver(ordered)
        assert current(ordered).state == "recalling"
        assert len(files(press)) == 1
        monkeypatch.setattr(WAYS_OUT, "remove", remove)
        assert unpublish(ordered)
        assert (current(ordered).state, files(press)) == ("recalled", [])


class TestSweep:
    def hints(self) -> int:
        return Outbox.objects.filter(task="publishing.deliver").count()

    @pytest.mark.parametrize(("after_s", "hints"), [(10, 0), (16, 1)])
    def test_hints_again_what_nobody_began_after_a_while(
        self, press: Press, after_s: int, hints: int
    ) -> None:
        press.ordered()
        before = self.hints()
        assert services.sweep(now=NOW + timedelta(seconds=after_s)) == hints
        assert self.hints() == before + hints

    def test_hints_once_in_each_while(self, press: Press) -> None:
        press.ordered()
        later = NOW + timedelta(seconds=16)
        assert [services.sweep(now=later), services.sweep(now=later)] == [1, 0]

    def test_leaves_a_delivery_alone_until_its_lease_ran_out(self, press: Press) -> None:
        ordered = press.ordered()
        (press.place / "folder").rmdir()
        deliver(ordered)
        later = NOW + timedelta(seconds=16)
        assert services.sweep(now=later) == 0
        let_time_pass(ordered)
        assert services.sweep(now=later) == 1

    def test_leaves_alone_what_is_over(self, press: Press) -> None:
        deliver(press.ordered())
        assert services.sweep(now=NOW + timedelta(hours=1)) == 0

    def test_hints_in_batches(self, press: Press) -> None:
        release = press.recorded()
        for slug in ("first", "second", "third"):
            press.ordered(release, press.destination(slug))
        later = NOW + timedelta(seconds=16)
        assert [services.sweep(now=later, limit=2) for _ in range(3)] == [2, 1, 0]

    def test_hints_a_release_again_at_its_own_pace(self, press: Press) -> None:
        press.provable()
        times = [NOW + timedelta(seconds=s) for s in (0, 1, 3)]
        assert [services.sweep(now=at) for at in times] == [1, 0, 1]

    def test_forgets_a_release_whose_case_was_voided(self, press: Press) -> None:
        case = press.provable()
        review.void_case(actor=press.team.manager, case_id=case.id, reason="Wrong.", now=NOW)
        assert services.sweep(now=NOW) == 0


def test_a_credential_never_reaches_the_database_or_the_log(
    press: Press, credential: Callable[[str, str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "canary-1f6c2d"
    release = press.recorded()
    credential("assets", json.dumps({"access_key_id": "a", "secret_access_key": 7, "x": secret}))
    config = {"bucket": "assets", "region": "us-east-1", "endpoint_url": "http://127.0.0.1:9"}
    target = press.destination("s3", kind="s3", config=config, credential_ref="assets")
    ordered = press.ordered(release, target)
    assert not deliver(ordered)
    assert current(ordered).state == "failed"
    assert secret not in current(ordered).failure
    assert secret not in caplog.text
