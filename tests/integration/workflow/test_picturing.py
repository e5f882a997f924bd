"""An order is made only from pictures that its template, its model and their rights allow."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from imprimatur.workflow import order
from imprimatur.workflow.wearing import Origin, Wish

from generation.jobs.models import GenerationJob, JobItem, UsedPicture
from generation.jobs.records import Box
from generation.pictures import selectors as pictures
from generation.pictures.records import PictureRecord
from governance.kernel.actors import ActorKind
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.refusals.models import Refusal
from governance.review import selectors as review_reads
from governance.rights.errors import RightsLacking
from governance.rights.models import Use
from tests.factories import jobs, orders
from tests.factories import pictures as make
from tests.factories import registry as adapters
from tests.factories import review as people
from tests.factories.quota import grant_images
from tests.factories.review import NOW

STRENGTH = {"minimum": 0.2, "maximum": 0.9, "default": 0.6}
CONTENT: dict[str, Any] = {
    "controls": [{"slug": "outlines", "strength": STRENGTH}],
    "pictures": {
        "source": {"required": False, "strength": STRENGTH, "masks": ["none", "drawn", "box"]},
        "references": {"minimum": 0, "maximum": 2},
    },
}
MODES = ["negative_prompt", "guidance", "control", "image_to_image", "inpaint", "references"]
BOX = Box(0.25, 0.0, 0.75, 0.5)


def able(desk: orders.Desk, **facts: Any) -> None:
    """Put a model in force that can do all, or what is said."""
    parameters = {"steps": 3, "guidance": 4.0, "max_sequence_length": 32, "modes": MODES}
    profile = jobs.profile(slug=desk.profile.slug, parameters=parameters | facts)
    grant_images(profile.id, None, 100, "model")


@pytest.fixture
def desk(db: None, settings: Any, tmp_path: Any) -> orders.Desk:
    """A brand whose template may be made from pictures in every way."""
    jobs.use_blobs(settings, tmp_path / "blobs")
    made = orders.desk(**CONTENT)
    people.approved_policy(made.studio.team)
    adapters.adapter(slug="outlines", name="Outlines", kind="controlnet", trigger_words=[])
    able(made)
    return made


@pytest.fixture
def studio(desk: orders.Desk) -> make.Studio:
    """The same brand's people who bring pictures and answer for their rights."""
    return make.Studio(desk.brand_id)


@pytest.fixture
def cup(studio: make.Studio) -> PictureRecord:
    """A picture that shows nobody, with rights in force."""
    return studio.picture()


def image(desk: orders.Desk, verdict: str = "pass", wish: Wish | None = None) -> UUID:
    """Make one image of the brand."""
    return jobs.finish(jobs.claimed(desk.place(wish=wish or Wish()).items[0]), verdict)


def used_of(job_id: UUID) -> list[tuple[Any, ...]]:
    rows = UsedPicture.objects.filter(item__job_id=job_id).order_by("number")
    return list(rows.values_list("role", "asset_id", "picture_id", "sha256", "strength"))


class TestAPicture:
    def test_is_started_from_with_its_rights_on_record(
        self, desk: orders.Desk, cup: PictureRecord
    ) -> None:
        job = desk.place(variants=2, wish=Wish(source_picture_id=cup.id))
        assert used_of(job.id) == [("source", None, cup.id, cup.sha256, 0.6)] * 2
        uses = Use.objects.filter(subject_id=cup.id).values_list("used_kind", "used_id")
        assert set(uses) == {("job_item", item.id) for item in job.items}
        (used,) = jobs.claimed(job.items[0]).pictures
        assert (used.role, used.picture_id, used.strength) == ("source", cup.id, 0.6)
        entry = Entry.objects.get(subject_id=job.id, event="generation.job.created")
        assert cup.sha256 in bytes(entry.body).decode()
        assert job.parent_asset_id is None

    def test_is_painted_anew_within_a_box(self, desk: orders.Desk, cup: PictureRecord) -> None:
        job = desk.place(wish=Wish(source_picture_id=cup.id, mask_box=BOX))
        source, mask = jobs.claimed(job.items[0]).pictures
        assert (source.role, mask.role, mask.box, mask.sha256) == ("source", "mask", BOX, "")

    def test_is_painted_anew_where_another_is_white(
        self, desk: orders.Desk, studio: make.Studio, cup: PictureRecord
    ) -> None:
        white = studio.picture("white")
        wish = Wish(source_picture_id=cup.id, mask_picture_id=white.id)
        job = desk.place(wish=wish)
        assert [row[0] for row in used_of(job.id)] == ["source", "mask"]
        assert Use.objects.filter(subject_id=white.id).count() == 1

    def test_is_looked_at_in_the_order_that_was_asked_for(
        self, desk: orders.Desk, cup: PictureRecord
    ) -> None:
        asset = image(desk)
        job = desk.place(wish=Wish(references=(Origin(picture_id=cup.id), Origin(asset_id=asset))))
        assert [row[:3] for row in used_of(job.id)] == [
            ("reference", None, cup.id),
            ("reference", asset, None),
        ]
        assert job.parent_asset_id == asset

    def test_is_followed(self, desk: orders.Desk, cup: PictureRecord) -> None:
        job = desk.place(wish=Wish(control="outlines", control_picture_id=cup.id))
        claim = jobs.claimed(job.items[0])
        assert [each.adapter.slug for each in claim.worn] == ["outlines"]
        assert used_of(job.id) == [("control", None, cup.id, cup.sha256, None)]

    def test_of_an_image_makes_it_the_parent_and_carries_its_rights_on(
        self, desk: orders.Desk, cup: PictureRecord
    ) -> None:
        first = image(desk, wish=Wish(source_picture_id=cup.id))
        job = desk.place(wish=Wish(source_asset_id=first))
        assert job.parent_asset_id == first
        assert Use.objects.filter(used_id=job.items[0].id).get().subject_id == cup.id

    def test_makes_another_recipe_in_each_role_and_strength(
        self, desk: orders.Desk, studio: make.Studio, cup: PictureRecord
    ) -> None:
        red = studio.picture("red")
        wishes = [
            Wish(),
            Wish(source_picture_id=cup.id),
            Wish(source_picture_id=red.id),
            Wish(source_picture_id=cup.id, source_strength=0.5),
            Wish(source_picture_id=cup.id, mask_box=BOX),
        ]
        prints = [
            JobItem.objects.get(job_id=desk.place(seed=7, wish=wish).id).fingerprint
            for wish in (*wishes[1:], wishes[1])
        ]
        assert len(set(prints)) == len(prints) - 1
        assert prints[0] == prints[-1]

    def test_may_be_used_with_a_key_of_whoever_may_order(
        self, desk: orders.Desk, cup: PictureRecord
    ) -> None:
        scopes = {"generation:job:create", "prompts:template:read", "rights:record:use"}
        key = replace(desk.marketer, kind=ActorKind.INTEGRATION, scopes=frozenset(scopes))
        with pytest.raises(NotFound):
            pictures.get_picture(key, cup.id)
        assert desk.place(key, wish=Wish(source_picture_id=cup.id))
        unable = replace(key, scopes=frozenset(scopes - {"rights:record:use"}))
        with pytest.raises(NotFound):
            desk.place(unable, wish=Wish(source_picture_id=cup.id))


class TestRights:
    """Their lack is a refusal on record, and nothing else is."""

    @pytest.mark.parametrize("lack", ["rights_withdrawn", "rights_not_confirmed"])
    def test_that_do_not_carry_an_order_leave_one_refusal(
        self, desk: orders.Desk, studio: make.Studio, lack: str
    ) -> None:
        waits = lack == "rights_not_confirmed"
        picture = studio.picture(rights=make.with_people() if waits else make.statement())
        if not waits:
            studio.withdraw(picture)
        before = jobs.count_rows()
        with pytest.raises(order.OrderRefused) as error:
            desk.place(wish=Wish(source_picture_id=picture.id))
        assert (error.value.pointer, error.value.facts["rule"]) == ("/source_picture_id", "rights")
        record = Refusal.objects.get()
        assert (record.stage, record.category) == ("rights", lack)
        assert not GenerationJob.objects.exists()
        added = {name: n - before[name] for name, n in jobs.count_rows().items()}
        assert {name for name, n in added.items() if n} == {
            "refusals_refusal",
            "ledger_entry",
            "ledger_pending",
        }
        assert desk.place()

    def test_are_asked_for_each_reference(self, desk: orders.Desk, studio: make.Studio) -> None:
        good, bad = studio.picture(), studio.picture("red")
        studio.withdraw(bad)
        with pytest.raises(order.OrderRefused) as error:
            desk.place(
                wish=Wish(references=(Origin(picture_id=good.id), Origin(picture_id=bad.id)))
            )
        assert error.value.pointer == "/references/1/picture_id"
        assert not Use.objects.exists()

    def test_behind_an_image_are_asked_for_too(
        self, desk: orders.Desk, studio: make.Studio, cup: PictureRecord
    ) -> None:
        first = image(desk, wish=Wish(source_picture_id=cup.id))
        assert desk.place(wish=Wish(source_asset_id=first))
        studio.withdraw(cup)
        with pytest.raises(order.OrderRefused) as error:
            desk.place(wish=Wish(source_asset_id=first))
        assert error.value.pointer == "/source_asset_id"

    def test_are_said_in_the_preview(
        self, desk: orders.Desk, studio: make.Studio, cup: PictureRecord
    ) -> None:
        studio.withdraw(cup)
        seen = order.preview(
            actor=desk.marketer,
            template_id=desk.version.template_id,
            variables=orders.VARIABLES,
            now=NOW,
            wish=Wish(source_picture_id=cup.id),
        )
        assert seen.violation == "The rights in this picture were withdrawn."
        assert not Refusal.objects.exists()

    def test_that_ended_since_keep_an_image_from_review(
        self, desk: orders.Desk, studio: make.Studio, cup: PictureRecord
    ) -> None:
        job = desk.place(variants=2, wish=Wish(source_picture_id=cup.id))
        in_time = jobs.finish(jobs.claimed(job.items[0]))
        late = jobs.claimed(job.items[1])
        studio.withdraw(cup)
        with pytest.raises(RightsLacking, match="withdrawn"):
            jobs.finish(late)
        assert review_reads.find_case_for_subject(in_time) is not None


class TestAWish:
    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"source": 0.1}, "/source_strength"),
            ({"source": 0.95}, "/source_strength"),
            ({"source_strength": 0.5}, "/source_picture_id"),
            ({"mask_box": BOX}, "/source_picture_id"),
            ({"source": None, "mask_box": Box(0.5, 0.0, 0.5, 1.0)}, "/mask_box"),
            ({"source": None, "mask_box": Box(0.0, 0.0, 1.5, 1.0)}, "/mask_box"),
            ({"source": None, "mask_box": BOX, "mask_picture_id": uuid7()}, "/mask_box"),
            ({"source": None, "references": 1}, "/source_picture_id"),
            ({"references": 3}, "/references"),
            ({"source": None, "source_asset_id": uuid7()}, "/source_picture_id"),
            ({"control": "outlines"}, "/control_asset_id"),
            ({"control_picture_id": uuid7()}, "/control"),
        ],
    )
    def test_that_the_template_does_not_allow_writes_nothing(
        self, desk: orders.Desk, cup: PictureRecord, fields: dict[str, Any], pointer: str
    ) -> None:
        asked = dict(fields)
        if "source" in asked:
            asked |= {"source_picture_id": cup.id, "source_strength": asked.pop("source")}
        if "references" in asked:
            asked["references"] = (Origin(picture_id=cup.id),) * asked["references"]
        before = jobs.count_rows()
        with pytest.raises(InvalidInput) as error:
            desk.place(wish=Wish(**asked))
        assert error.value.pointer == pointer
        assert jobs.count_rows() == before

    def test_for_a_mask_of_another_size_is_refused(
        self, desk: orders.Desk, cup: PictureRecord
    ) -> None:
        asset = image(desk)
        with pytest.raises(InvalidInput, match="as large as its picture") as error:
            desk.place(wish=Wish(source_asset_id=asset, mask_picture_id=cup.id))
        assert error.value.pointer == "/mask_picture_id"

    @pytest.mark.parametrize("verdict", ["refuse", "hold"])
    def test_for_an_image_that_did_not_come_into_review_is_refused(
        self, desk: orders.Desk, verdict: str
    ) -> None:
        with pytest.raises(InvalidInput, match="did not come into review") as error:
            desk.place(wish=Wish(source_asset_id=image(desk, verdict)))
        assert error.value.pointer == "/source_asset_id"

    def test_for_a_picture_of_another_brand_is_refused(self, desk: orders.Desk) -> None:
        foreign = make.Studio().picture()
        with pytest.raises(NotFound):
            desk.place(wish=Wish(source_picture_id=foreign.id))

    def test_for_a_picture_where_the_template_has_none_is_refused(
        self, db: None, settings: Any, tmp_path: Any
    ) -> None:
        jobs.use_blobs(settings, tmp_path / "blobs")
        plain = orders.desk()
        able(plain)
        cup = make.Studio(plain.brand_id).picture()
        for wish in (Wish(source_picture_id=cup.id), Wish(references=(Origin(None, cup.id),))):
            with pytest.raises(InvalidInput, match="no picture"):
                plain.place(wish=wish)
        assert plain.place()


class TestAModel:
    @pytest.mark.parametrize(
        ("facts", "wish", "pointer"),
        [
            ({"modes": ["negative_prompt", "guidance"]}, "source", "/profile"),
            ({"modes": [*MODES[:2], "image_to_image"]}, "box", "/profile"),
            ({"modes": MODES[:4]}, "reference", "/profile"),
            ({"needs": ["inpaint"]}, "nothing", "/source_picture_id"),
            ({"needs": ["inpaint"]}, "source", "/source_picture_id"),
            ({"needs": ["references"]}, "nothing", "/references"),
        ],
    )
    def test_that_cannot_do_it_or_needs_more_takes_no_order(
        self, desk: orders.Desk, cup: PictureRecord, facts: Any, wish: str, pointer: str
    ) -> None:
        able(desk, **facts)
        wishes = {
            "nothing": Wish(),
            "source": Wish(source_picture_id=cup.id),
            "box": Wish(source_picture_id=cup.id, mask_box=BOX),
            "reference": Wish(references=(Origin(picture_id=cup.id),)),
        }
        with pytest.raises(InvalidInput) as error:
            desk.place(wish=wishes[wish])
        assert error.value.pointer == pointer

    def test_that_needs_a_mask_takes_an_order_with_one(
        self, desk: orders.Desk, cup: PictureRecord
    ) -> None:
        able(desk, needs=["inpaint"])
        assert desk.place(wish=Wish(source_picture_id=cup.id, mask_box=BOX))


def test_a_template_may_need_a_picture(db: None, settings: Any, tmp_path: Any) -> None:
    jobs.use_blobs(settings, tmp_path / "blobs")
    source = {"required": True, "strength": STRENGTH, "masks": ["none"]}
    desk = orders.desk(pictures={"source": source})
    able(desk)
    with pytest.raises(DomainError) as error:
        desk.place()
    assert error.value.pointer == "/source_picture_id"
    cup = make.Studio(desk.brand_id).picture()
    assert desk.place(wish=Wish(source_picture_id=cup.id))
    with pytest.raises(InvalidInput) as wrong:
        desk.place(wish=Wish(source_picture_id=cup.id, mask_box=BOX))
    assert wrong.value.pointer == "/mask_box"
