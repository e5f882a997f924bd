"""reconcile: what a destination holds and what the records say, compared both ways."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from imprimatur.publishing import selectors, services, tasks
from imprimatur.publishing.destinations import folder as folders
from imprimatur.publishing.models import Finding, Publication, Quarantine
from imprimatur.publishing.selectors import DestinationRecord, FindingRecord, PublicationRecord
from imprimatur.publishing.services import _reconcile

from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.outbox.models import Outbox
from governance.policy.permits import NotPermitted
from governance.release import services as release_services
from tests.factories.publishing import NOW, Press, current


@pytest.fixture
def place(press: Press) -> DestinationRecord:
    """A folder with a quarantine beside it."""
    (press.place / "quarantine").mkdir()
    (press.place / "folder").mkdir()
    config = {"path": str(press.place / "folder"), "quarantine": str(press.place / "quarantine")}
    return press.destination("folder", config=config)


def published(press: Press, place: DestinationRecord) -> PublicationRecord:
    ordered = press.ordered(destination=place)
    assert services.deliver(publication_id=ordered.id, now=NOW)
    return current(ordered)


def path_of(press: Press, sent: PublicationRecord) -> Path:
    shelf = press.place / "folder" / str(press.brand_id) / sent.marked_sha256[:2]
    return shelf / f"{sent.marked_sha256}.png"


def remove(press: Press, sent: PublicationRecord) -> None:
    """Delete an image and its note, as somebody at the destination may."""
    path = path_of(press, sent)
    path.with_name(path.name + folders.SIDECAR_SUFFIX).unlink()
    path.unlink()


def foreign(press: Press, key: str, data: bytes = b"not ours") -> Path:
    path = press.place / "folder" / str(press.brand_id) / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def look_round(place: DestinationRecord) -> int:
    return services.reconcile(destination_id=place.id, now=NOW)


def found(press: Press) -> list[FindingRecord]:
    return selectors.list_findings(press.team.auditor)


def withdraw(press: Press, sent: PublicationRecord) -> None:
    services.withdraw(
        actor=press.team.manager, release_id=sent.release_id, reason="Wrong.", now=NOW
    )


def close(press: Press, finding: FindingRecord, **changes: Any) -> FindingRecord:
    facts = {"actor": press.team.manager, "reason": "Put there by hand, by mistake.", **changes}
    return services.close_finding(finding_id=finding.id, now=NOW, **facts)


class TestALookRound:
    def test_finds_nothing_where_both_sides_agree(
        self, press: Press, place: DestinationRecord
    ) -> None:
        for _ in range(3):
            published(press, place)
        assert look_round(place) == 0
        assert found(press) == []

    def test_needs_a_few_queries_however_much_lies_there(
        self, press: Press, place: DestinationRecord, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(3):
            published(press, place)
        with django_assert_max_num_queries(8):
            look_round(place)

    def test_reads_the_records_in_pages(
        self, press: Press, place: DestinationRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_reconcile, "PAGE", 2)
        sent = [published(press, place) for _ in range(5)]
        gone = sorted(sent, key=lambda one: one.marked_sha256)[3]
        remove(press, gone)
        assert look_round(place) == 1
        assert [one.publication_id for one in found(press)] == [gone.id]

    def test_finds_an_object_that_nobody_authorised_and_puts_it_away(
        self, press: Press, place: DestinationRecord, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept = published(press, place)
        path = foreign(press, "00/odd name.png")
        assert look_round(place) == 1
        (finding,) = found(press)
        assert (finding.kind, finding.key) == (
            "unknown_object",
            f"{press.brand_id}/00/odd name.png",
        )
        assert not path.exists()
        moved = press.place / "quarantine" / str(finding.id)
        assert moved.read_bytes() == b"not ours"
        assert finding.quarantined_to == moved.as_uri()
        assert path_of(press, kept).exists()
        assert "A destination and the records differ" in caplog.text
        events = list(Entry.objects.filter(event__startswith="publishing.finding.").order_by("id"))
        assert [entry.event for entry in events] == [
            "publishing.finding.recorded",
            "publishing.finding.quarantined",
        ]

    def test_finds_bytes_under_a_name_of_ours_that_no_record_has(
        self, press: Press, place: DestinationRecord
    ) -> None:
        data = b"real bytes of a real image, and never approved"
        sha256 = sha256_hex(data)
        foreign(press, f"{sha256[:2]}/{sha256}.png", data)
        for _ in range(2):
            published(press, place)
        assert look_round(place) == 1
        assert found(press)[0].kind == "unknown_object"

    def test_only_reports_where_the_destination_has_no_quarantine(self, press: Press) -> None:
        place = press.destination()
        path = foreign(press, "any.png")
        assert look_round(place) == 1
        assert path.exists()
        assert (found(press)[0].quarantined_to, Quarantine.objects.count()) == ("", 0)

    def test_finds_a_published_image_that_is_not_there_and_leaves_it_to_a_person(
        self, press: Press, place: DestinationRecord
    ) -> None:
        sent = published(press, place)
        remove(press, sent)
        hints = Outbox.objects.filter(task="publishing.deliver").count()
        assert look_round(place) == 1
        (finding,) = found(press)
        assert (finding.kind, finding.publication_id) == ("missing_object", sent.id)
        assert Outbox.objects.filter(task="publishing.deliver").count() == hints
        again = press.ordered(
            release=selectors.get_released(press.team.manager, sent.release_id), destination=place
        )
        assert (again.attempt, again.state) == (2, "pending")
        assert services.deliver(publication_id=again.id, now=NOW)
        close(press, finding)
        assert look_round(place) == 0

    @pytest.mark.parametrize("same_size", [True, False])
    def test_finds_other_bytes_in_a_published_images_place(
        self, press: Press, place: DestinationRecord, *, same_size: bool
    ) -> None:
        sent = published(press, place)
        path = path_of(press, sent)
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if same_size else data[:-1])
        assert look_round(place) == 1
        assert [one.kind for one in found(press)] == ["other_bytes"]
        assert not path.exists(), "nobody approved what lay there"

    def test_takes_a_recalled_image_away_again(
        self, press: Press, place: DestinationRecord
    ) -> None:
        sent = published(press, place)
        data = path_of(press, sent).read_bytes()
        withdraw(press, sent)
        assert services.unpublish(publication_id=sent.id, now=NOW)
        path_of(press, sent).write_bytes(data)
        assert look_round(place) == 1
        assert [one.kind for one in found(press)] == ["still_there_after_recall"]
        assert not path_of(press, sent).exists()

    def test_begins_the_recall_that_a_withdrawal_past_us_did_not(
        self, press: Press, place: DestinationRecord
    ) -> None:
        sent = published(press, place)
        release_services.withdraw(
            actor=press.team.manager, release_id=sent.release_id, reason="Wrong.", now=NOW
        )
        assert current(sent).state == "published"
        look_round(place)
        assert current(sent).state == "recalling"
        assert services.unpublish(publication_id=sent.id, now=NOW)

    @pytest.mark.parametrize("state", ["delivering", "recalling"])
    def test_leaves_alone_what_is_under_way(
        self, press: Press, place: DestinationRecord, state: str
    ) -> None:
        if state == "delivering":
            ordered = press.ordered(destination=place)
            data = b"half of it"
            foreign(press, f"{ordered.marked_sha256[:2]}/{ordered.marked_sha256}.png", data)
            Publication.objects.filter(pk=ordered.id).update(state="delivering")
        else:
            withdraw(press, published(press, place))
        assert look_round(place) == 0

    def test_looks_again_before_it_calls_anything_missing(
        self, press: Press, place: DestinationRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The listing is older than the delivery that ended meanwhile."""
        listed = folders.FolderDestination.list

        def list_then_deliver(self: Any, prefix: str) -> Any:
            seen = list(listed(self, prefix))
            published(press, place)
            return iter(seen)

        monkeypatch.setattr(folders.FolderDestination, "list", list_then_deliver)
        assert look_round(place) == 0

    def test_looks_again_before_it_calls_anything_unknown(
        self, press: Press, place: DestinationRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The listing is younger than the records: a delivery began and ended in between."""
        by_name = _reconcile._by_name

        def read_too_early(*args: Any) -> Any:
            rows = list(by_name(*args))
            published(press, place)
            return iter(rows)

        monkeypatch.setattr(_reconcile, "_by_name", read_too_early)
        assert look_round(place) == 0

    def test_tells_of_the_same_thing_once_until_it_is_closed(self, press: Press) -> None:
        place = press.destination()
        foreign(press, "any.png")
        assert [look_round(place), look_round(place)] == [1, 0]
        close(press, found(press)[0])
        assert [look_round(place), look_round(place)] == [1, 0]
        assert [one.closed_at is None for one in found(press)] == [True, False]

    def test_of_two_destinations_that_lead_to_one_place_is_one(self, press: Press) -> None:
        first = press.destination("folder")
        config = {"path": str(press.place / "folder")}
        second = press.destination("same", config=config)
        published(press, first)
        foreign(press, "any.png")
        assert sorted([look_round(first), look_round(second)]) == [0, 1]

    def test_looks_into_no_other_folder_than_the_brands(
        self, press: Press, place: DestinationRecord
    ) -> None:
        other = press.place / "folder" / "somebody" / "else.png"
        other.parent.mkdir(parents=True)
        other.write_bytes(b"not ours")
        assert look_round(place) == 0
        assert other.exists()

    def test_leaves_closed_destinations_alone(self, press: Press, place: DestinationRecord) -> None:
        foreign(press, "any.png")
        services.retire_destination(actor=press.admin, destination_id=place.id, now=NOW)
        assert look_round(place) == 0
        assert services.reconcile(destination_id=uuid7(), now=NOW) == 0

    def test_survives_a_quarantine_that_is_not_there(
        self, press: Press, place: DestinationRecord, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = foreign(press, "any.png")
        (press.place / "quarantine").rmdir()
        assert look_round(place) == 1
        assert path.exists()
        assert "Unable to put an object away" in caplog.text
        (press.place / "quarantine").mkdir()
        assert look_round(place) == 0
        assert not path.exists()
        assert Quarantine.objects.count() == 1

    def test_that_reaches_nothing_says_so_and_ends(
        self, press: Press, place: DestinationRecord, caplog: pytest.LogCaptureFixture
    ) -> None:
        (press.place / "folder").rmdir()
        tasks.reconcile(destination_id=str(place.id), later="argument")
        assert "Unable to look round a destination" in caplog.text
        assert Finding.objects.count() == 0


class TestHintReconcile:
    def test_asks_for_every_open_destination(self, press: Press) -> None:
        opened = [press.destination(slug) for slug in ("one", "two")]
        press.proposed("three")
        assert services.hint_reconcile() == 2
        asked = Outbox.objects.filter(task="publishing.reconcile").values_list("kwargs", flat=True)
        assert {row["destination_id"] for row in asked} == {str(one.id) for one in opened}


class TestFindings:
    @pytest.fixture
    def finding(self, press: Press) -> FindingRecord:
        look = press.destination()
        foreign(press, "any.png")
        look_round(look)
        return found(press)[0]

    def test_are_for_auditors_managers_and_admins(
        self, press: Press, other_press: Press, finding: FindingRecord
    ) -> None:
        for actor in (press.team.auditor, press.team.manager, press.admin):
            assert [one.id for one in selectors.list_findings(actor)] == [finding.id]
        for actor in (press.marketer, press.team.brand_reviewer, other_press.team.auditor):
            assert selectors.list_findings(actor) == []
            with pytest.raises(NotFound):
                selectors.get_finding(actor, finding.id)

    def test_are_filtered_and_paged(self, press: Press, finding: FindingRecord) -> None:
        auditor = press.team.auditor
        assert selectors.list_findings(auditor, brand_id=uuid7()) == []
        assert len(selectors.list_findings(auditor, is_open=True)) == 1
        assert selectors.list_findings(auditor, is_open=False) == []
        assert selectors.list_findings(auditor, after=finding.id) == []

    def test_are_closed_with_a_reason_once(self, press: Press, finding: FindingRecord) -> None:
        closed = close(press, finding)
        assert (closed.closed_at, closed.closed_by) == (NOW, press.team.manager.id)
        assert closed.closing_reason == "Put there by hand, by mistake."
        with pytest.raises(IllegalTransition):
            close(press, finding, actor=press.admin)
        assert Entry.objects.filter(event="publishing.finding.closed").count() == 1

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 4001])
    def test_are_not_closed_without_a_reason(
        self, press: Press, finding: FindingRecord, reason: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            close(press, finding, reason=reason)
        assert refusal.value.pointer == "/reason"

    def test_are_not_closed_by_an_auditor(self, press: Press, finding: FindingRecord) -> None:
        with pytest.raises(NotPermitted):
            close(press, finding, actor=press.team.auditor)
        assert found(press)[0].closed_at is None


def test_a_finding_is_newer_than_what_was_found_before_it(press: Press) -> None:
    place = press.destination()
    foreign(press, "a.png")
    look_round(place)
    foreign(press, "b.png")
    services.reconcile(destination_id=place.id, now=NOW + timedelta(hours=1))
    assert [Path(one.key).name for one in found(press)] == ["b.png", "a.png"]
