"""What was ordered, made and pinned stays what it was: SQL attacks on jobs, assets and profiles.

Each attack is refused with every guard on, and succeeds with exactly its guards off.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from generation.assets import services as assets
from generation.assets.models import Asset
from generation.assets.records import Features, StepRecord
from generation.jobs.models import JobItem
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.tables import guards
from tests.factories import jobs as make
from tests.factories import review
from tests.promises.attacks import (
    Attack,
    bound,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    play,
    replace,
)

pytestmark = pytest.mark.django_db(transaction=True)


class Scene:
    """One order with an image in review, one held, one in work; and spares beside them."""

    def __init__(self) -> None:
        shop = make.shop()
        reviewed, held, leased = shop.order(3).items
        self.asset = make.finish(make.claimed(reviewed))
        self.undescribed = make.finish(make.claimed(held), "hold")
        described = Features(fingerprint="f" * 64, phash=1 << 63 | 1)
        assets.record_features(
            asset_id=self.asset, brand_id=shop.brand_id, features=described, now=make.NOW
        )
        self.features = Asset.objects.get(pk=self.asset).features.get().pk
        made = Asset.objects.get(pk=self.undescribed)
        generated = StepRecord(0, "generate", {}, made.sha256, made.size_bytes, 128, 128)
        assets.record_steps(
            asset_id=made.id, steps=[generated], media_type="image/png", now=make.NOW
        )
        self.step = made.steps.get().pk
        make.claimed(leased)
        self.reviewed, self.held, self.leased = reviewed.id, held.id, leased.id
        self.job = JobItem.objects.get(pk=leased.id).job_id
        self.score = Asset.objects.get(pk=self.asset).scores.get().id
        self.profile, self.brand = shop.profile.id, shop.brand_id
        self.spare_profile = make.profile(slug="spare").id
        self.id, self.spare_brand = uuid7(), uuid7()
        brand = copied("brands_brand", self.brand)
        insert("brands_brand", **brand | {"id": self.spare_brand, "slug": "spare"})
        self.spare_job, self.empty_job, self.spare_item = uuid7(), uuid7(), uuid7()
        for key, job in (("spare", self.spare_job), ("empty", self.empty_job)):
            row = copied("jobs_generationjob", self.job)
            insert("jobs_generationjob", **row | {"id": job, "idempotency_key": key})
        insert(
            "jobs_jobitem",
            **copied("jobs_jobitem", self.leased)
            | {"id": self.spare_item, "job_id": self.spare_job},
        )
        self.kept, self.unkept = review.subject(shop.team), review.subject(shop.team)
        assets.keep_blob(
            sha256=str(self.kept.sha256),
            size_bytes=1,
            media_type="image/png",
            retention="work",
            now=make.NOW,
        )

    def forged_asset(self, subject: SubjectRef, **changes: Any) -> dict[str, Any]:
        """Return the asset's row as another image of that subject."""
        other = {"id": self.id, "item_id": uuid7(), "subject_id": subject.id}
        return copied("assets_asset", self.asset) | other | changes


def moved(table: str, row: str, **values: Any) -> dict[str, Any]:
    """Return an attack's act and question: one row gets these values."""
    return {
        "act": lambda s: change(table, getattr(s, row), **values),
        "worked": lambda s: count(table, id=getattr(s, row), **values) == 1,
    }


def gone(table: str, row: str) -> dict[str, Any]:
    """Return an attack's act and question: one row is deleted."""
    return {
        "act": lambda s: delete(table, getattr(s, row)),
        "worked": lambda s: count(table, id=getattr(s, row)) == 0,
    }


def added(table: str, row: Any) -> dict[str, Any]:
    """Return an attack's act and question: a forged row, under the scene's id, is there."""
    return {
        "act": lambda s: insert(table, **row(s)),
        "worked": lambda s: count(table, id=s.id) == 1,
    }


JOBS = (
    Attack(
        "name another template version",
        ["jobs_generationjob_frozen"],
        **moved("jobs_generationjob", "job", template_version_sha256="f" * 64),
    ),
    Attack(
        "order after another image, afterwards",
        ["jobs_generationjob_frozen"],
        lambda s: change("jobs_generationjob", s.job, parent_asset_id=s.asset),
        lambda s: count("jobs_generationjob", id=s.job, parent_asset_id=s.asset) == 1,
    ),
    Attack(
        "order after another brand's image",
        ["jobs_job_after_its_brands_image"],
        **added(
            "jobs_generationjob",
            lambda s: (
                copied("jobs_generationjob", s.job)
                | {"id": s.id, "idempotency_key": "after", "parent_asset_id": s.asset}
                | {"brand_id": s.spare_brand}
            ),
        ),
    ),
    Attack(
        "delete an order",
        ["jobs_generationjob_never_deleted"],
        **gone("jobs_generationjob", "empty_job"),
    ),
    Attack(
        "order twice under one key",
        ["jobs_job_once", constraint("jobs_generationjob", "job_once_per_key")],
        **added("jobs_generationjob", lambda s: copied("jobs_generationjob", s.job) | {"id": s.id}),
    ),
    Attack("change a seed", ["jobs_jobitem_frozen"], **moved("jobs_jobitem", "leased", seed=1)),
    Attack("delete an item", ["jobs_jobitem_never_deleted"], **gone("jobs_jobitem", "spare_item")),
    Attack(
        "make an item twice",
        ["jobs_item_once", constraint("jobs_jobitem", "item_once_per_number")],
        **added("jobs_jobitem", lambda s: copied("jobs_jobitem", s.leased) | {"id": s.id}),
    ),
    Attack(
        "refuse what is in review",
        ["jobs_item_moves"],
        **moved("jobs_jobitem", "reviewed", state="refused"),
    ),
    Attack(
        "fail what is held for a person",
        ["jobs_item_moves", "jobs_item_held_for_a_person"],
        **moved("jobs_jobitem", "held", state="failed"),
    ),
    Attack(
        "take a fence back", ["jobs_item_epoch_grows"], **moved("jobs_jobitem", "leased", epoch=0)
    ),
)
ASSETS = (
    Attack(
        "call an image another size",
        ["assets_asset_append_only"],
        **moved("assets_asset", "asset", width_px=1),
    ),
    Attack(
        "better a score", ["assets_score_append_only"], **moved("assets_score", "score", value=0.5)
    ),
    Attack(
        "score twice by one scorer",
        ["assets_score_once", constraint("assets_score", "score_once_per_scorer")],
        **added("assets_score", lambda s: copied("assets_score", s.score) | {"id": s.id}),
    ),
    Attack("lose a score", ["assets_score_append_only"], **gone("assets_score", "score")),
    Attack(
        "make an image look like no other",
        ["assets_imagefeatures_append_only"],
        **moved("assets_imagefeatures", "features", phash_0=0),
    ),
    Attack(
        "lose an image's features",
        ["assets_imagefeatures_append_only"],
        **gone("assets_imagefeatures", "features"),
    ),
    Attack(
        "describe an image twice",
        [
            "assets_imagefeatures_once",
            constraint("assets_imagefeatures", "features_once_per_image"),
        ],
        **added(
            "assets_imagefeatures",
            lambda s: copied("assets_imagefeatures", s.features) | {"id": s.id},
        ),
    ),
    Attack(
        "show one brand's image to another",
        ["assets_imagefeatures_of_the_brand"],
        **added(
            "assets_imagefeatures",
            lambda s: (
                copied("assets_imagefeatures", s.features)
                | {"id": s.id, "asset_id": s.undescribed, "brand_id": s.spare_brand}
            ),
        ),
    ),
    Attack(
        "call a step's output other bytes",
        ["assets_step_append_only", bound("assets_step", "sha256")],
        **moved("assets_step", "step", sha256="e" * 64),
    ),
    Attack("lose a step", ["assets_step_append_only"], **gone("assets_step", "step")),
    Attack(
        "record a step twice",
        ["assets_step_once", constraint("assets_step", "step_once_per_number")],
        **added("assets_step", lambda s: copied("assets_step", s.step) | {"id": s.id}),
    ),
    Attack(
        "add a step to what is under review",
        ["assets_step_before_its_review"],
        **added(
            "assets_step",
            lambda s: copied("assets_step", s.step) | {"id": s.id, "asset_id": s.asset},
        ),
    ),
    Attack(
        "name a step's output that is not kept",
        [bound("assets_step", "sha256")],
        **added(
            "assets_step",
            lambda s: copied("assets_step", s.step) | {"id": s.id, "number": 1, "sha256": "e" * 64},
        ),
    ),
    Attack(
        "name bytes that its subject does not",
        [bound("assets_asset", "subject_id", "sha256")],
        **added("assets_asset", lambda s: s.forged_asset(s.kept)),
    ),
    Attack(
        "name bytes that are not kept",
        [bound("assets_asset", "sha256")],
        **added("assets_asset", lambda s: s.forged_asset(s.unkept, sha256=s.unkept.sha256)),
    ),
    Attack(
        "call kept bytes another size",
        ["assets_blob_frozen"],
        act=lambda s: change("assets_blob", s.kept.sha256, key="sha256", size_bytes=2),
        worked=lambda s: count("assets_blob", sha256=s.kept.sha256, size_bytes=2) == 1,
    ),
    Attack(
        "forget kept bytes",
        ["assets_blob_never_deleted"],
        act=lambda s: delete("assets_blob", s.kept.sha256, key="sha256"),
        worked=lambda s: count("assets_blob", sha256=s.kept.sha256) == 0,
    ),
)
PROFILES = (
    Attack("delete a brand", ["brands_brand_never_deleted"], **gone("brands_brand", "spare_brand")),
    Attack(
        "put a brand in another's place",
        ["brands_brand_once"],
        act=lambda s: replace(
            "brands_brand", key="slug", **copied("brands_brand", s.spare_brand) | {"id": s.id}
        ),
        worked=lambda s: count("brands_brand", id=s.id) == 1,
        vendor="sqlite",
    ),
    Attack(
        "give a brand another name in every address",
        ["brands_brand_frozen"],
        **moved("brands_brand", "brand", slug="elsewhere"),
    ),
    Attack(
        "run another folder under an approved profile",
        ["registry_modelprofile_frozen"],
        **moved("registry_modelprofile", "profile", folder="elsewhere"),
    ),
    Attack(
        "lose a profile",
        ["registry_modelprofile_never_deleted"],
        **gone("registry_modelprofile", "spare_profile"),
    ),
)


@pytest.fixture
def scene(settings: Any, tmp_path: Path) -> Iterator[Scene]:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    yield Scene()
    assert guards.missing(connection) == []


@pytest.mark.parametrize("rows", [JOBS, ASSETS, PROFILES], ids=["jobs", "assets", "profiles"])
def test_what_was_ordered_made_and_pinned_stays(
    rows: tuple[Attack[Scene], ...], scene: Scene, subtests: pytest.Subtests
) -> None:
    play(rows, scene, subtests)
