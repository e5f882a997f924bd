"""The notices' page: what a person was told, and the way to what it is about."""

from html import unescape

from imprimatur.web import words

from governance.kernel.clock import now
from governance.kernel.subjects import SubjectRef
from governance.notices import selectors as notices
from governance.notices import services
from governance.notices.states import Kind
from tests.integration.web.world import World


def told(world: World, username: str, kind: Kind = Kind.REVIEW_MENTIONED) -> str:
    """Tell a person of a case; return the case's address."""
    (case,) = world.cases(world.make(world.order(1)))
    services.tell(
        person_ids=[world.actor(username).id],
        kind=kind,
        subject=case.subject,
        case_id=case.id,
        now=now(),
    )
    return f"/reviews/{case.id}/"


class TestNotices:
    def test_are_listed_with_a_badge_and_lead_on(self, world: World) -> None:
        services_before = notices.list_notices(world.actor("bruno"))
        address = told(world, "bruno")
        client = world.client("bruno")
        page = unescape(client.get("/notices/").content.decode())
        assert "Somebody mentioned you in a review" in page
        unread = len(notices.list_notices(world.actor("bruno"), unread=True))
        assert unread == len(services_before) + 1
        assert f'<span class="count">{unread}<' in page
        notice = notices.list_notices(world.actor("bruno"))[0]
        answer = client.post(f"/notices/{notice.id}/")
        assert (answer.status_code, answer["Location"]) == (302, address)
        assert notices.get_notice(world.actor("bruno"), notice.id).read_at is not None

    def test_are_read_all_at_once(self, world: World) -> None:
        told(world, "bruno")
        client = world.client("bruno")
        assert client.post("/notices/").status_code == 302
        page = client.get("/notices/").content.decode()
        assert "Mark all as read" not in page
        assert notices.list_notices(world.actor("bruno"), unread=True) == ()

    def test_of_others_are_not_found(self, world: World) -> None:
        told(world, "bruno")
        notice = notices.list_notices(world.actor("bruno"))[0]
        assert world.client("clara").post(f"/notices/{notice.id}/").status_code == 404
        assert notices.get_notice(world.actor("bruno"), notice.id).read_at is None

    def test_say_nothing_of_a_hidden_review(self, world: World) -> None:
        told(world, "ada", Kind.REVIEW_BREAK_GLASS)
        page = unescape(world.client("ada").get("/notices/").content.decode())
        assert "Somebody breaks the glass for a review" in page
        assert "Mark as read" in page
        assert "variant" not in page

    def test_without_any_say_so(self, world: World) -> None:
        page = world.client("otto").get("/notices/").content.decode()
        assert "Nothing yet" in page


def test_every_kind_has_its_words() -> None:
    assert set(words.NOTICES) == set(Kind)
    assert words.notice("some.unheard_of").label == "Unheard of"


def test_a_notice_without_a_case_leads_to_the_list(world: World) -> None:
    about = SubjectRef("asset", world.brand_id, world.brand_id)
    services.tell(
        person_ids=[world.actor("otto").id], kind=Kind.REVIEW_DECIDED, subject=about, now=now()
    )
    (notice,) = notices.list_notices(world.actor("otto"))
    answer = world.client("otto").post(f"/notices/{notice.id}/")
    assert (answer.status_code, answer["Location"]) == (302, "/notices/")
