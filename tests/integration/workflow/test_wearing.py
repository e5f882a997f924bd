"""An order wears and follows only what its template, its model and the licences allow."""

import json
from typing import Any
from uuid import UUID

import pytest
from imprimatur.workflow import order
from imprimatur.workflow.wearing import Wish

from generation.assets.models import Asset
from generation.jobs import selectors
from generation.jobs.models import GenerationJob, JobItem, WornAdapter
from generation.registry import selectors as reads
from generation.registry import services as registry
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.review.models import Case
from governance.sealing import services as sealing
from tests.factories import jobs, licences, orders
from tests.factories import registry as make
from tests.factories import review as people
from tests.factories.quota import platform_admin
from tests.factories.review import NOW

STRENGTH = {"minimum": 0.2, "maximum": 1.0, "default": 0.8}
CONTENT: dict[str, Any] = {
    "adapters": [{"slug": "brand-look", "strength": STRENGTH}],
    "controls": [{"slug": "outlines", "strength": STRENGTH}],
}


@pytest.fixture
def desk(db: None, settings: Any, tmp_path: Any) -> orders.Desk:
    """A brand whose template allows a look and to follow a picture."""
    jobs.use_blobs(settings, tmp_path / "blobs")
    made = orders.desk(**CONTENT)
    people.approved_policy(made.studio.team)
    make.adapter()
    make.adapter(slug="outlines", name="Outlines", kind="controlnet", trigger_words=[])
    return made


def image(desk: orders.Desk) -> UUID:
    """Make one image of the brand."""
    claim = jobs.claimed(desk.place().items[0])
    return jobs.finish(claim)


def prompt_of(job_id: UUID) -> str:
    row = JobItem.objects.filter(job_id=job_id).get()
    return str(sealing.reveal(sealed=bytes(row.prompt), purpose=selectors.PROMPT))


class TestALook:
    def test_is_worn_by_every_image_and_on_record(self, desk: orders.Desk) -> None:
        job = desk.place(variants=2, wish=Wish(adapter="brand-look", adapter_strength=0.5))
        for item in job.items:
            (worn,) = jobs.claimed(item).worn
            assert (worn.adapter.slug, worn.strength) == ("brand-look", 0.5)
        entry = Entry.objects.get(subject_id=job.id, event="generation.job.created")
        assert str(worn.adapter.id) in bytes(entry.body).decode()

    def test_has_the_templates_strength_by_default_and_says_its_words(
        self, desk: orders.Desk
    ) -> None:
        job = desk.place(wish=Wish(adapter="brand-look"))
        assert WornAdapter.objects.get().strength == 0.8
        assert prompt_of(job.id).endswith(", in brand style")
        seen = order.preview(
            actor=desk.marketer,
            template_id=desk.version.template_id,
            variables=orders.VARIABLES,
            now=NOW,
            wish=Wish(adapter="brand-look"),
        )
        assert seen.prompt == prompt_of(job.id)

    def test_makes_another_recipe(self, desk: orders.Desk) -> None:
        wishes = [Wish(), Wish(adapter="brand-look"), Wish("brand-look", 0.5)]
        prints = [
            JobItem.objects.get(job_id=desk.place(seed=7, wish=wish).id).fingerprint
            for wish in wishes
        ]
        assert len(set(prints)) == 3

    def test_is_none_without_a_wish(self, desk: orders.Desk) -> None:
        assert jobs.claimed(desk.place().items[0]).worn == ()
        assert not WornAdapter.objects.exists()


class TestOutlines:
    def test_come_from_an_image_that_is_then_the_parent(self, desk: orders.Desk) -> None:
        source = image(desk)
        job = desk.place(wish=Wish(control="outlines", control_asset_id=source))
        assert job.parent_asset_id == source
        claim = jobs.claimed(job.items[0])
        assert [each.adapter.slug for each in claim.worn] == ["outlines"]
        assert [(each.role, each.asset_id) for each in claim.pictures] == [("control", source)]

    def test_of_an_image_that_is_not_the_parent_are_refused(self, desk: orders.Desk) -> None:
        source, other = image(desk), image(desk)
        with pytest.raises(InvalidInput) as error:
            desk.place(
                parent_asset_id=other, wish=Wish(control="outlines", control_asset_id=source)
            )
        assert error.value.pointer == "/parent_asset_id"

    @pytest.mark.parametrize("verdict", ["refuse", "hold"])
    def test_of_an_image_that_did_not_come_into_review_are_refused(
        self, desk: orders.Desk, verdict: str
    ) -> None:
        source = jobs.finish(jobs.claimed(desk.place().items[0]), verdict)
        with pytest.raises(InvalidInput, match="did not come into review"):
            desk.place(wish=Wish(control="outlines", control_asset_id=source))

    def test_of_another_brands_image_are_refused(self, desk: orders.Desk) -> None:
        other = orders.desk("contoso")
        people.approved_policy(other.studio.team)
        with pytest.raises(NotFound):
            desk.place(wish=Wish(control="outlines", control_asset_id=image(other)))


class TestAWish:
    @pytest.mark.parametrize(
        ("wish", "pointer"),
        [
            (Wish(adapter="other"), "/adapter"),
            (Wish(adapter="outlines"), "/adapter"),
            (Wish(adapter_strength=0.5), "/adapter"),
            (Wish(adapter="brand-look", adapter_strength=0.1), "/adapter_strength"),
            (Wish(adapter="brand-look", adapter_strength=1.1), "/adapter_strength"),
            (Wish(control="outlines"), "/control_asset_id"),
            (Wish(control_asset_id=uuid7()), "/control"),
            (Wish(control_strength=0.5), "/control"),
            (Wish(control="brand-look", control_asset_id=uuid7()), "/control"),
        ],
    )
    def test_that_the_template_does_not_allow_writes_nothing(
        self, desk: orders.Desk, wish: Wish, pointer: str
    ) -> None:
        before = jobs.count_rows()
        with pytest.raises(InvalidInput) as error:
            desk.place(wish=wish)
        assert error.value.pointer == pointer
        assert jobs.count_rows() == before

    def test_for_an_adapter_of_another_family_is_refused(self, desk: orders.Desk) -> None:
        make.adapter(family="flux")
        with pytest.raises(InvalidInput, match="family flux") as error:
            desk.place(wish=Wish(adapter="brand-look"))
        assert error.value.facts["rule"] == "family"

    def test_for_an_adapter_that_was_retired_is_refused(self, desk: orders.Desk) -> None:
        for each in reads.list_adapters():
            registry.retire_adapter(actor=platform_admin(), adapter_id=each.id, now=NOW)
        with pytest.raises(NotFound):
            desk.place(wish=Wish(adapter="brand-look"))

    def test_whose_licence_does_not_carry_it_leaves_one_refusal(self, desk: orders.Desk) -> None:
        make.adapter(licence_id=licences.proposed(identifier="LicenseRef-look").id)
        with pytest.raises(order.OrderRefused, match="LicenseRef-look"):
            desk.place(wish=Wish(adapter="brand-look"))
        assert not GenerationJob.objects.exists()
        assert desk.place()


class TestAModel:
    """What a profile says that its model can do is asked before anybody waits."""

    @pytest.mark.parametrize(
        ("modes", "wish", "message"),
        [
            (["guidance", "adapters"], Wish(), "no negative prompt"),
            (["negative_prompt", "adapters"], Wish(), "no guidance"),
            (["negative_prompt", "guidance"], Wish(adapter="brand-look"), "wears no looks"),
        ],
    )
    def test_that_cannot_do_what_is_asked_takes_no_order(
        self, desk: orders.Desk, modes: list[str], wish: Wish, message: str
    ) -> None:
        parameters = {"steps": 3, "guidance": 4.0, "max_sequence_length": 32, "modes": modes}
        jobs.profile(slug=desk.profile.slug, parameters=parameters)
        with pytest.raises(InvalidInput, match=message) as error:
            desk.place(wish=wish)
        assert error.value.pointer == "/profile"


class TestRetiring:
    def test_voids_what_waits_and_stops_what_is_on_its_way(self, desk: orders.Desk) -> None:
        job = desk.place(variants=2, wish=Wish(adapter="brand-look"))
        asset_id = jobs.finish(jobs.claimed(job.items[0]))
        late = jobs.claimed(job.items[1])
        plain = jobs.finish(jobs.claimed(desk.place().items[0]))
        case = Case.objects.get(subject_id=asset_id)
        worn = WornAdapter.objects.first()
        assert worn
        assert case.pins["adapter_1"] == str(worn.adapter_id)
        registry.retire_adapter(actor=platform_admin(), adapter_id=worn.adapter_id, now=NOW)
        states = {each: Case.objects.get(subject_id=each).state for each in (asset_id, plain)}
        assert states == {asset_id: "voided", plain: "open"}
        with pytest.raises(DomainError, match="was retired"):
            jobs.finish(late)
        assert Asset.objects.count() == 2
        told = json.loads(Entry.objects.get(event="registry.adapter.retired").body)
        assert told["facts"]["voided_cases"] == 1
