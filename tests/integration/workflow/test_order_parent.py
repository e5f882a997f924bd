"""Orders that come after an image: "more like this", or again where changes were requested."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from generation.assets import selectors as assets
from generation.jobs import selectors as jobs
from generation.jobs.records import JobRecord
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.review import selectors as reviews
from governance.review.records import CaseRecord
from tests import rows
from tests.factories import jobs as make
from tests.factories import orders, review
from tests.factories.orders import Desk


@pytest.fixture(autouse=True)
def _blobs(settings: Any, tmp_path: Path) -> None:
    make.use_blobs(settings, tmp_path / "blobs")


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A brand that takes orders and reviews its images."""
    review.approved_policy(desk.studio.team)
    return desk


def made(job: JobRecord) -> list[UUID]:
    """Make every image of an order, as workers do."""
    return [make.finish(make.claimed(item)) for item in job.items]


def case_of(asset_id: UUID) -> CaseRecord:
    """Return the review of an image."""
    case = reviews.find_case_for_subject(asset_id)
    assert case is not None
    return case


class TestAnOrderAfterAnImage:
    def test_names_it_and_so_do_its_images(self, desk: Desk) -> None:
        (first,) = made(desk.place())
        job = desk.place(parent_asset_id=first, variants=2)
        assert job.parent_asset_id == first
        assert jobs.get_job(desk.marketer, job.id).parent_asset_id == first
        entry = Entry.objects.get(subject_id=job.id, event="generation.job.created")
        assert json.loads(bytes(entry.body))["facts"]["parent_asset"] == str(first)
        children = made(job)
        assert [assets.get_asset(SYSTEM, child).parent_id for child in children] == [first, first]
        assert assets.get_asset(SYSTEM, first).parent_id is None

    def test_shows_up_beside_its_parent_where_changes_were_requested(self, desk: Desk) -> None:
        team = desk.studio.team
        (first,) = made(desk.place())
        review.decide(case_of(first), team.brand_reviewer, "request_changes")
        (second,) = made(desk.place(parent_asset_id=first))
        (third,) = made(desk.place(parent_asset_id=second))
        for reader in (desk.marketer, team.brand_reviewer, team.auditor):
            for shown in (first, second, third):
                found = reviews.lineage(reader, shown)
                assert [(v.subject.id, v.parent_id, v.case_state) for v in found] == [
                    (first, None, "changes_requested"),
                    (second, first, "open"),
                    (third, second, "open"),
                ]

    def test_is_placed_once_under_one_key(self, desk: Desk) -> None:
        (first,) = made(desk.place())
        placed = desk.place(parent_asset_id=first, idempotency_key="again")
        assert desk.place(parent_asset_id=first, idempotency_key="again") == placed

    def test_of_another_brand_is_not_found_and_leaves_nothing(self, desk: Desk) -> None:
        elsewhere = orders.desk("southwind")
        review.approved_policy(elsewhere.studio.team)
        (foreign,) = made(elsewhere.place())
        both = Actor(uuid7(), roles={**desk.marketer.roles, **elsewhere.marketer.roles})
        before = rows.counted()
        for actor, parent in (
            (desk.marketer, foreign),
            (desk.marketer, uuid7()),
            # Somebody of both brands sees it, and still does not mix them.
            (both, foreign),
        ):
            with pytest.raises(NotFound):
                desk.place(actor, parent_asset_id=parent)
        assert rows.added_since(before) == {}
