"""Refusals in the portal: explained, appealed, decided, overridden; all of it without script."""

from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.jobs import selectors as jobs
from generation.jobs.records import JobRecord
from governance.kernel.clock import now
from governance.kernel.subjects import SubjectRef
from governance.ledger.models import Entry
from governance.refusals import services
from governance.refusals.models import Appeal, Override
from tests.integration.web.world import World

ARGUMENT = "The horizon is meant to be soft."
REASON = "A soft horizon is this template's style."


@pytest.fixture
def job(world: World) -> JobRecord:
    """Return an order of one image that its scores refused."""
    return world.make(world.order(1), verdict="refuse")


def refusal_of(job: JobRecord) -> UUID:
    refusal_id = job.items[0].refusal_id
    assert refusal_id is not None
    return refusal_id


def page(world: World, username: str, path: str, status: int = 200) -> str:
    answer = world.client(username).get(path)
    assert answer.status_code == status, path
    return unescape(answer.content.decode())


def appeal(world: World, job: JobRecord) -> str:
    """Appeal as marta, and return the appeal's address."""
    answer = world.client("marta").post(f"/refusals/{refusal_of(job)}/", {"argument": ARGUMENT})
    assert answer.status_code == 302
    return str(answer.headers["Location"])


def prompt_refusal(world: World) -> UUID:
    """Record the refusal of words that marta wrote."""
    marta = world.actor("marta")
    words = '{"field": "detail", "term": "hazard", "order": {"prompt": "a hazard badge"}}'
    return services.record(
        actor=marta,
        brand_id=world.brand_id,
        stage="prompt",
        category="hazard_sign",
        reason="Hazard signs mean something in law.",
        requester_id=marta.id,
        subject=SubjectRef("template_version", world.template().id, world.brand_id),
        now=now(),
        detail=services.seal_detail(person_id=marta.id, text=words),
    ).id


class TestRefusals:
    def test_are_listed_for_whoever_was_refused_and_for_reviewers(
        self, world: World, job: JobRecord
    ) -> None:
        address = f"/refusals/{refusal_of(job)}/"
        for username in ("marta", "bruno", "clara", "otto"):
            assert address in page(world, username, "/refusals/"), username
        assert address not in page(world, "clara", "/refusals/?show=mine")
        assert "Nothing was refused" in page(world, "clara", "/refusals/?show=mine")

    def test_are_linked_from_the_contact_sheet(self, world: World, job: JobRecord) -> None:
        assert f"/refusals/{refusal_of(job)}/" in page(world, "marta", f"/orders/{job.id}/")

    def test_say_why_and_what_to_do(self, world: World, job: JobRecord) -> None:
        text = page(world, "marta", f"/refusals/{refusal_of(job)}/")
        assert "The image was made, then refused." in text
        assert "If you believe it is wrong, appeal." in text
        assert 'name="argument"' in text
        assert 'name="reason"' not in text

    @pytest.mark.parametrize(
        ("stage", "said"), [("gate", "Nobody overrides the gate"), ("quota", "ask for more")]
    )
    def test_offer_no_appeal_where_nobody_may_override(
        self, world: World, stage: str, said: str
    ) -> None:
        marta = world.actor("marta")
        refusal = services.record(
            actor=marta,
            brand_id=world.brand_id,
            stage=stage,
            category="user",
            reason="A rule says no.",
            requester_id=marta.id,
            subject=SubjectRef("template_version", world.template().id, world.brand_id),
            now=now(),
        )
        for username in ("marta", "clara"):
            text = page(world, username, f"/refusals/{refusal.id}/")
            assert said in text
            assert "<textarea" not in text
        sent = {"argument": ARGUMENT}
        answer = world.client("marta").post(f"/refusals/{refusal.id}/", sent)
        assert answer.status_code == 422
        assert said in unescape(answer.content.decode())

    def test_are_hidden_from_other_brands(self, world: World, job: JobRecord) -> None:
        page(world, "ada", f"/refusals/{refusal_of(job)}/", 404)

    def test_cost_the_same_queries_for_more_rows(self, world: World) -> None:
        client, counts = world.client("clara"), []
        for images in (1, 4):
            world.make(world.order(images), verdict="refuse")
            with CaptureQueriesContext(connection) as queries:
                client.get("/refusals/")
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestTheWords:
    def test_are_shown_to_their_author(self, world: World) -> None:
        text = page(world, "marta", f"/refusals/{prompt_refusal(world)}/")
        assert "a hazard badge" in text

    def test_are_shown_to_a_decider_on_demand_and_on_record(self, world: World) -> None:
        refusal_id = prompt_refusal(world)
        assert "a hazard badge" not in page(world, "clara", f"/refusals/{refusal_id}/")
        answer = world.client("clara").post(f"/refusals/{refusal_id}/words/")
        assert "a hazard badge" in unescape(answer.content.decode())
        entry = Entry.objects.get(event="refusals.refusal.revealed")
        assert entry.actor_id == world.actor("clara").id
        for username in ("bruno", "otto"):
            assert "Show what was refused" not in page(world, username, f"/refusals/{refusal_id}/")
            client = world.client(username)
            assert client.post(f"/refusals/{refusal_id}/words/").status_code == 403


class TestAppeal:
    def test_goes_from_the_requester_to_a_decision(self, world: World, job: JobRecord) -> None:
        address = appeal(world, job)
        assert ARGUMENT in page(world, "marta", address)
        for path in ("/refusals/", "/refusals/appeals/"):
            text = page(world, "clara", path)
            assert "/refusals/appeals/" in text
            assert '<span class="count">1<' in text
        client = world.client("clara")
        sent = {"ruling": "overturn", "reason": REASON}
        answer = client.post(address, sent, follow=True)
        assert "Refusal overturned" in answer.content.decode()
        item = jobs.get_job(world.actor("marta"), job.id).items[0]
        assert item.state == "in_review"
        told = page(world, "marta", address)
        assert REASON in told
        assert "The image went into review" in told
        sheet = page(world, "marta", f"/orders/{job.id}/")
        assert "a person overrode that" in sheet
        assert f"/assets/{item.asset_id}/image" in sheet
        assert f"/reviews/{item.case_id}/" in page(world, "bruno", "/reviews/")
        cockpit = page(world, "bruno", f"/reviews/{item.case_id}/")
        assert "Sharpness: The image did not pass the brand's scoring policy." in cockpit

    def test_that_is_lost_ends_there(self, world: World, job: JobRecord) -> None:
        address = appeal(world, job)
        sent = {"ruling": "uphold", "reason": "It tilts."}
        answer = world.client("clara").post(address, sent, follow=True)
        assert "The refusal stands." in answer.content.decode()
        assert "It tilts." in page(world, "marta", address)
        text = page(world, "marta", f"/refusals/{refusal_of(job)}/")
        assert 'name="argument"' not in text
        assert address in text
        again = world.client("clara").post(address, sent)
        assert again.status_code == 409
        assert "This appeal is closed" in again.content.decode()

    def test_is_taken_back(self, world: World, job: JobRecord) -> None:
        address = appeal(world, job)
        answer = world.client("marta").post(f"{address}withdraw/", follow=True)
        assert "Appeal taken back." in answer.content.decode()
        answer = world.client("marta").post(f"{address}withdraw/", follow=True)
        assert "This appeal is closed" in answer.content.decode()
        assert 'name="argument"' in page(world, "marta", f"/refusals/{refusal_of(job)}/")

    @pytest.mark.parametrize("argument", ["", "  ", "x" * 4001])
    def test_needs_an_argument_of_some_length(
        self, world: World, job: JobRecord, argument: str
    ) -> None:
        client = world.client("marta")
        answer = client.post(f"/refusals/{refusal_of(job)}/", {"argument": argument})
        assert answer.status_code == 400
        assert 'id="id_argument_error"' in answer.content.decode()
        assert not Appeal.objects.exists()

    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            ({"reason": REASON}, "Choose one of the two."),
            ({"ruling": "overturn", "reason": " "}, "Say why: the requester reads your reason."),
            ({"ruling": "uphold"}, "Say why: the requester reads your reason."),
            ({"ruling": "publish", "reason": REASON}, "publish"),
        ],
    )
    def test_puts_what_is_wrong_with_a_decision_beside_its_field(
        self, world: World, job: JobRecord, sent: dict[str, Any], said: str
    ) -> None:
        answer = world.client("clara").post(appeal(world, job), sent)
        assert answer.status_code == 400
        assert said in answer.content.decode()
        assert Appeal.objects.get().state == "open"

    @pytest.mark.parametrize(
        ("username", "status"), [("marta", 403), ("otto", 403), ("bruno", 404)]
    )
    def test_is_decided_by_nobody_else(
        self, world: World, job: JobRecord, username: str, status: int
    ) -> None:
        address, client = appeal(world, job), world.client(username)
        assert "Record decision" not in client.get(address).content.decode()
        sent = {"ruling": "overturn", "reason": REASON}
        assert client.post(address, sent).status_code == status
        assert Appeal.objects.get().state == "open"

    def test_says_why_whoever_had_a_part_cannot_decide(self, world: World, job: JobRecord) -> None:
        address = appeal(world, job)
        world.contribute(job.items[0].asset_id, world.actor("clara").id)
        text = page(world, "clara", address)
        assert "You had a part in this" in text
        assert "Record decision" not in text
        sent = {"ruling": "overturn", "reason": REASON}
        assert world.client("clara").post(address, sent).status_code == 403


class TestOverride:
    def test_is_recorded_under_a_name_with_its_reason(self, world: World, job: JobRecord) -> None:
        address = f"/refusals/{refusal_of(job)}/"
        assert 'name="reason"' in page(world, "clara", address)
        answer = world.client("clara").post(f"{address}override/", {"reason": REASON}, follow=True)
        assert "Refusal overridden" in answer.content.decode()
        told = page(world, "marta", address)
        assert REASON in told
        assert 'name="argument"' not in told
        again = world.client("clara").post(f"{address}override/", {"reason": REASON})
        assert again.status_code == 409
        assert Override.objects.count() == 1

    def test_needs_a_reason_and_the_role(self, world: World, job: JobRecord) -> None:
        address = f"/refusals/{refusal_of(job)}/override/"
        assert world.client("clara").post(address, {"reason": ""}).status_code == 400
        assert world.client("bruno").post(address, {"reason": REASON}).status_code == 403
        assert not Override.objects.exists()
