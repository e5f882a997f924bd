"""request_publication: an explicit command that names a release and an open destination."""

from typing import Any

import pytest
from imprimatur.publishing import selectors, services
from imprimatur.publishing.errors import NotReleased, Withdrawn
from imprimatur.publishing.models import Publication
from imprimatur.publishing.services import _request

from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.outbox.models import Outbox
from governance.policy.permits import NotPermitted
from governance.refusals import selectors as refusals
from governance.release import selectors as releases
from governance.release import services as release_services
from governance.release.records import ReleaseRecord
from tests.factories.publishing import NOW, Press, current


def requested() -> int:
    return Entry.objects.filter(event="publishing.publication.requested").count()


def withdraw(press: Press, release: ReleaseRecord) -> None:
    release_services.withdraw(
        actor=press.team.manager, release_id=release.id, reason="A wrong product.", now=NOW
    )


class TestRequestPublication:
    def test_orders_one_delivery_and_wakes_the_publisher(self, press: Press) -> None:
        ordered = press.ordered()
        assert (ordered.state, ordered.attempt, ordered.location) == ("pending", 1, "")
        assert ordered.requested_by == press.marketer.id
        hint = Outbox.objects.get(task="publishing.deliver")
        assert (hint.queue, hint.kwargs) == ("publisher", {"publication_id": str(ordered.id)})
        assert requested() == 1

    def test_returns_the_same_one_while_it_is_under_way_and_once_it_is_done(
        self, press: Press
    ) -> None:
        release, destination = press.recorded(), press.destination()
        first = press.ordered(release, destination)
        assert press.ordered(release, destination) == first
        services.deliver(publication_id=first.id, now=NOW)
        again = press.ordered(release, destination)
        assert (again.id, again.state) == (first.id, "published")
        assert requested() == 1

    def test_is_a_new_attempt_after_one_that_failed(self, press: Press) -> None:
        release, destination = press.recorded(), press.destination()
        first = press.ordered(release, destination)
        other_bytes(press, release)
        services.deliver(publication_id=first.id, now=NOW)
        assert current(first).state == "failed"
        second = press.ordered(release, destination)
        assert second.id != first.id
        assert (second.attempt, second.state) == (2, "pending")

    def test_goes_to_each_destination_of_its_own(self, press: Press) -> None:
        release = press.recorded()
        ordered = {
            press.ordered(release, press.destination(slug)).id for slug in ("first", "second")
        }
        assert len(ordered) == 2

    def test_refuses_a_release_that_was_withdrawn(self, press: Press) -> None:
        release, destination = press.recorded(), press.destination()
        withdraw(press, release)
        with pytest.raises(Withdrawn) as caught:
            press.ordered(release, destination)
        assert Publication.objects.count() == 0
        (kept,) = refusals.list_refusals(press.marketer)
        assert str(kept.id) == caught.value.facts["refusal_id"]
        assert (kept.stage, kept.category) == ("gate", "release_withdrawn")
        assert (kept.subject_id, kept.reason) == (release.id, caught.value.detail)

    def test_refuses_a_release_that_is_withdrawn_in_the_same_moment(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard sees what the service could not."""
        release, destination = press.recorded(), press.destination()
        withdraw(press, release)
        answers = iter([False, True])
        monkeypatch.setattr(releases, "is_withdrawn", lambda _: next(answers))
        with pytest.raises(Withdrawn):
            press.ordered(release, destination)
        assert Publication.objects.count() == 0
        assert len(refusals.list_refusals(press.marketer)) == 1

    def test_returns_the_others_when_two_order_in_the_same_moment(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        release, destination = press.recorded(), press.destination()
        first = press.ordered(release, destination)
        latest, asked = _request._latest, []

        def blind_at_first(*args: Any) -> Publication | None:
            asked.append(args)
            return None if len(asked) == 1 else latest(*args)

        monkeypatch.setattr(_request, "_latest", blind_at_first)
        assert press.ordered(release, destination) == first
        assert Publication.objects.count() == 1

    @pytest.mark.parametrize("standing", ["proposed", "retired", "another brand's", "unknown"])
    def test_does_not_know_a_destination_that_is_not_open_to_the_brand(
        self, press: Press, other_press: Press, standing: str
    ) -> None:
        release = press.recorded()
        target = {
            "proposed": press.proposed,
            "retired": press.destination,
            "another brand's": other_press.destination,
            "unknown": press.destination,
        }[standing]()
        if standing == "retired":
            services.retire_destination(actor=press.admin, destination_id=target.id, now=NOW)
        with pytest.raises(NotFound) as refused:
            services.request_publication(
                actor=press.marketer,
                release_id=release.id,
                destination_id=uuid7() if standing == "unknown" else target.id,
                now=NOW,
            )
        assert refused.value.pointer == "/destination_id"
        assert Publication.objects.count() == 0

    def test_does_not_know_another_brands_release(self, press: Press, other_press: Press) -> None:
        release, destination = press.recorded(), other_press.destination()
        with pytest.raises(NotFound):
            other_press.ordered(release, destination)
        assert Publication.objects.count() == 0

    def test_is_not_a_reviewers(self, press: Press) -> None:
        release, destination = press.recorded(), press.destination()
        for actor in (press.team.brand_reviewer, press.team.auditor):
            with pytest.raises(NotPermitted):
                services.request_publication(
                    actor=actor, release_id=release.id, destination_id=destination.id, now=NOW
                )
        assert requested() == 0


class TestRequestPublicationOfAsset:
    def test_leaves_exactly_one_refusal_for_an_image_without_a_release(self, press: Press) -> None:
        image, destination = press.image(), press.destination()
        before = Entry.objects.count()
        with pytest.raises(NotReleased) as refused:
            services.request_publication_of_asset(
                actor=press.marketer, asset_id=image.id, destination_id=destination.id, now=NOW
            )
        (refusal,) = refusals.list_refusals(press.marketer)
        assert refused.value.facts["refusal_id"] == str(refusal.id)
        assert (refusal.stage, refusal.category) == ("gate", "not_released")
        assert (refusal.subject_id, refusal.requester_id) == (image.id, press.marketer.id)
        assert Entry.objects.count() == before + 1
        assert Publication.objects.count() == 0
        assert not Outbox.objects.filter(task="publishing.deliver").exists()

    def test_orders_the_release_of_an_image_that_has_one(self, press: Press) -> None:
        release, destination = press.recorded(), press.destination()
        ordered = services.request_publication_of_asset(
            actor=press.marketer,
            asset_id=release.subject_id,
            destination_id=destination.id,
            now=NOW,
        )
        assert (ordered.release_id, ordered.state) == (release.id, "pending")
        assert refusals.list_refusals(press.marketer) == ()

    def test_hides_another_brands_image_and_leaves_nothing(
        self, press: Press, other_press: Press
    ) -> None:
        image, destination = press.image(), other_press.destination()
        with pytest.raises(NotFound):
            services.request_publication_of_asset(
                actor=other_press.marketer,
                asset_id=image.id,
                destination_id=destination.id,
                now=NOW,
            )
        assert refusals.list_refusals(other_press.team.auditor) == ()

    def test_leaves_nothing_of_somebody_who_may_not_publish(self, press: Press) -> None:
        image, destination = press.image(), press.destination()
        with pytest.raises(NotPermitted):
            services.request_publication_of_asset(
                actor=press.team.auditor,
                asset_id=image.id,
                destination_id=destination.id,
                now=NOW,
            )
        assert refusals.list_refusals(press.team.auditor) == ()


class TestPublications:
    def test_are_listed_to_their_brand_newest_first(self, press: Press, other_press: Press) -> None:
        release = press.recorded()
        first = press.ordered(release, press.destination("first"))
        second = press.ordered(release, press.destination("second"))
        listed = selectors.list_publications(press.team.auditor)
        assert [p.id for p in listed] == [second.id, first.id]
        assert selectors.list_publications(press.marketer, after=second.id) == [first]
        assert selectors.list_publications(press.marketer, limit=1) == [second]
        assert selectors.list_publications(press.marketer, release_id=uuid7()) == []
        assert selectors.list_publications(other_press.marketer) == []

    def test_are_read_in_one_query(self, press: Press, django_assert_num_queries: Any) -> None:
        release = press.recorded()
        for slug in ("first", "second", "third"):
            press.ordered(release, press.destination(slug))
        with django_assert_num_queries(1):
            assert len(selectors.list_publications(press.marketer)) == 3

    def test_are_hidden_from_another_brand(self, press: Press, other_press: Press) -> None:
        ordered = press.ordered()
        with pytest.raises(NotFound):
            selectors.get_publication(other_press.marketer, ordered.id)


def other_bytes(press: Press, release: ReleaseRecord) -> None:
    """Put other bytes where the release would go: a conflict, which no waiting cures."""
    sha256 = release.marked_sha256
    taken = press.place / "folder" / str(press.brand_id) / sha256[:2] / f"{sha256}.png"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"other bytes")
