"""The review queue and page: who decides, on which bytes, with which reason."""

from datetime import timedelta
from html import unescape

from django.test import Client
from imprimatur.accounts import selectors as accounts

from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.models import Decision
from governance.review.records import CaseRecord, ItemSpec
from tests.factories import review as make
from tests.integration.web.world import World


def look(client: Client, case: CaseRecord) -> None:
    """Open the image as the page does."""
    assert client.get(f"/assets/{case.subject.id}/image").status_code == 200


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
        assert "It waits for somebody else" in text

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
        look(client, first)
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
        look(client, case)
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

    def test_waits_for_the_bytes_on_the_screen(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        client, sent = world.client("bruno"), {"verdict": "approve", "sha256": case.subject.sha256}
        client.get(f"/assets/{case.subject.id}/image?small")
        answer = client.post(f"/reviews/{case.id}/", sent)
        assert answer.status_code == 409
        assert "open the image first" in answer.content.decode()
        look(client, case)
        assert client.post(f"/reviews/{case.id}/", sent).status_code == 302

    def test_asks_for_an_old_password_again_and_loses_nothing(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        client = world.client("bruno")
        look(client, case)
        assert 'type="password"' not in client.get(f"/reviews/{case.id}/").content.decode()
        world.authenticate(client, now() - timedelta(hours=1))
        assert 'type="password"' in client.get(f"/reviews/{case.id}/").content.decode()
        sent = {
            "verdict": "reject",
            "sha256": case.subject.sha256,
            "reason": "The horizon tilts.",
        }
        for password, said in (
            ("", "Give your password again"),
            ("wrong", "This is not your password"),
        ):
            answer = client.post(f"/reviews/{case.id}/", {**sent, "password": password})
            text = unescape(answer.content.decode())
            assert answer.status_code == 403
            assert said in text
            assert "The horizon tilts." in text
            assert 'type="password"' in text
            assert "wrong" not in text
        sent["password"] = world.passwords["bruno"]
        assert client.post(f"/reviews/{case.id}/", sent).status_code == 302
        assert review.get_case(SYSTEM, case.id).state == "rejected"

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


class TestChecklist:
    def test_stands_on_the_page_and_must_be_answered_to_approve(self, world: World) -> None:
        mona, max_ = world.actor("mona"), world.actor("max")
        proposed = review_services.propose_policy(
            actor=mona,
            brand_id=world.brand_id,
            subject_kind="asset",
            name="With a checklist",
            stages=[make.BRAND_STAGE],
            checklist=[ItemSpec("Is the logo whole?", key="logo")],
            now=now(),
        )
        review_services.approve_policy(
            actor=max_, policy_id=proposed.id, sha256=proposed.sha256, now=now()
        )
        case = world.cases(world.make(world.order(1)))[0]
        client = world.client("bruno")
        look(client, case)
        assert "Is the logo whole?" in client.get(f"/reviews/{case.id}/").content.decode()
        sent = {"verdict": "approve", "sha256": case.subject.sha256}
        answer = client.post(f"/reviews/{case.id}/", sent)
        assert answer.status_code == 422
        assert "id_check_logo_error" in answer.content.decode()
        answer = client.post(f"/reviews/{case.id}/", {**sent, "check_logo": "yes"})
        assert answer.status_code == 302
        text = world.client("marta").get(f"/reviews/{case.id}/").content.decode()
        assert "Is the logo whole?" in text


class TestChanges:
    def test_are_confirmed_on_the_page_by_somebody_else(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        world.decide(case, "bruno", "approve_with_changes")
        world.decide(case, "clara")
        text = world.client("marta").get(f"/reviews/{case.id}/").content.decode()
        assert "Nothing is published until" in text
        assert "The changes are made" not in text
        client = world.client("clara")
        assert "The changes are made" in client.get(f"/reviews/{case.id}/").content.decode()
        decision = review.get_case(SYSTEM, case.id).stages[0].decisions[0]
        address = f"/reviews/decisions/{decision.id}/confirm/"
        assert world.client("marta").post(address).status_code == 403
        assert client.post(address, {"note": "New caption."}).status_code == 302
        assert (
            "confirmed that the changes are made"
            in client.get(f"/reviews/{case.id}/").content.decode()
        )


class TestClaim:
    def test_tells_others_who_looks_at_it(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        world.client("bruno").get(f"/reviews/{case.id}/")
        text = world.client("marta").get(f"/reviews/{case.id}/").content.decode()
        name = accounts.display_name(world.actor("bruno").id)
        assert f"{name} is looking at it, until" in text

    def test_is_given_up_with_a_button(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        client = world.client("bruno")
        page = unescape(client.get(f"/reviews/{case.id}/").content.decode())
        assert "Others see that you are looking at it" in page
        answer = client.post(f"/reviews/{case.id}/leave/", follow=True)
        assert "Left to the others." in answer.content.decode()
        (stage,) = review.get_case(SYSTEM, case.id).open_stages
        assert stage.claims == ()
        assert world.client("ada").post(f"/reviews/{case.id}/leave/").status_code == 404


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
