"""The review queue and page: who decides, on which bytes, with which reason."""

from html import unescape

from imprimatur.accounts import selectors as accounts

from governance.kernel.actors import SYSTEM
from governance.review import selectors as review
from governance.review.models import Decision
from tests.integration.web.world import World


class TestPage:
    def test_shows_the_bytes_and_binds_the_form_to_their_digest(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        client = world.client("bruno")
        text = client.get(f"/reviews/{case.id}/").content.decode()
        image = client.get(f"/assets/{case.subject.id}/image")
        assert f'name="sha256" value="{case.subject.sha256}"' in text
        assert image.headers["ETag"] == f'"{case.subject.sha256}"'
        assert "Uncalibrated" in text

    def test_tells_the_requester_why_they_cannot_decide(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        text = world.client("marta").get(f"/reviews/{case.id}/").content.decode()
        assert "You had a part in this" in text
        assert "Record decision" not in text

    def test_tells_the_second_stage_that_it_waits(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        text = unescape(world.client("clara").get(f"/reviews/{case.id}/").content.decode())
        assert "It waits for another role" in text

    def test_of_a_template_shows_its_text(self, world: World) -> None:
        released = world.template().released
        assert released is not None
        case = review.find_case_for_subject(released.subject_id)
        assert case is not None
        text = unescape(world.client("max").get(f"/reviews/{case.id}/").content.decode())
        assert released.content["prompt"] in text


class TestDecision:
    def test_moves_the_case_and_leads_to_the_next(self, world: World) -> None:
        first, second = world.cases(world.make(world.order(2)))
        client = world.client("bruno")
        answer = client.post(
            f"/reviews/{first.id}/", {"verdict": "approve", "sha256": first.subject.sha256}
        )
        assert answer.headers["Location"] == f"/reviews/{second.id}/"
        stage = review.get_case(SYSTEM, first.id).stage
        assert stage is not None
        assert stage.position == 2

    def test_of_other_bytes_is_refused(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        answer = world.client("bruno").post(
            f"/reviews/{case.id}/", {"verdict": "approve", "sha256": "0" * 64}
        )
        assert answer.status_code == 409
        assert "open the page again" in answer.content.decode()
        assert not Decision.objects.filter(case_id=case.id).exists()

    def test_without_a_digest_is_refused(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        answer = world.client("bruno").post(f"/reviews/{case.id}/", {"verdict": "approve"})
        assert answer.status_code == 400
        assert not Decision.objects.filter(case_id=case.id).exists()

    def test_that_turns_down_needs_a_reason_and_keeps_what_was_chosen(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        client = world.client("bruno")
        sent = {"verdict": "reject", "sha256": case.subject.sha256, "reason": "  "}
        answer = client.post(f"/reviews/{case.id}/", sent)
        text = answer.content.decode()
        assert answer.status_code == 422
        assert "id_reason_error" in text
        assert 'value="reject"' in text
        client.post(f"/reviews/{case.id}/", {**sent, "reason": "The horizon tilts."})
        assert review.get_case(SYSTEM, case.id).state == "rejected"
        assert (
            "The horizon tilts."
            in world.client("marta").get(f"/reviews/{case.id}/").content.decode()
        )

    def test_by_the_requester_is_forbidden(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        for username in ("marta", "otto", "clara"):
            answer = world.client(username).post(
                f"/reviews/{case.id}/", {"verdict": "approve", "sha256": case.subject.sha256}
            )
            assert answer.status_code == 403
        assert not Decision.objects.filter(case_id=case.id).exists()

    def test_is_never_taken_by_a_link(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        world.client("bruno").get(
            f"/reviews/{case.id}/?verdict=approve&sha256={case.subject.sha256}"
        )
        assert not Decision.objects.filter(case_id=case.id).exists()


class TestQueue:
    def test_shows_each_reviewer_only_what_waits_for_them(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        assert str(case.id) in world.client("bruno").get("/reviews/").content.decode()
        assert "Nothing waits for you" in world.client("clara").get("/reviews/").content.decode()
        world.decide(case, "bruno")
        assert str(case.id) in world.client("clara").get("/reviews/").content.decode()

    def test_names_who_decided(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        world.decide(case, "bruno")
        name = accounts.display_name(world.actor("bruno").id)
        assert name in world.client("marta").get(f"/reviews/{case.id}/").content.decode()
