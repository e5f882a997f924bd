"""Remarks on the review's page: made, answered and settled without script."""

from html import unescape
from typing import Any

import pytest

from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.notices import selectors as notices
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.models import Annotation
from governance.review.records import CaseRecord
from tests.integration.web.world import World


@pytest.fixture
def case(world: World) -> CaseRecord:
    return world.cases(world.make(world.order(1)))[0]


def remark(case: CaseRecord, **changes: Any) -> dict[str, Any]:
    form = {"sha256": case.subject.sha256, "x": "50", "y": "25.5", "text": "Too small."}
    return {**form, **changes}


class TestRemark:
    def test_stands_on_the_page_with_its_place(self, world: World, case: CaseRecord) -> None:
        client = world.client("bruno")
        clara = world.actor("clara")
        assert client.get(f"/reviews/{case.id}/remark/").status_code == 200
        answer = client.post(f"/reviews/{case.id}/remark/", remark(case, mentions=[str(clara.id)]))
        assert answer["Location"] == f"/reviews/{case.id}/#remarks"
        (made,) = review.list_annotations(SYSTEM, case.id)
        assert (made.mark, made.x, made.y) == ("pin", 0.5, 0.255)
        page = unescape(client.get(f"/reviews/{case.id}/").content.decode())
        assert "Too small." in page
        assert "at 50 % from the left" in page
        assert "review.mentioned" in {one.kind for one in notices.list_notices(clara)}

    def test_is_drawn_on_the_image_under_the_number_of_its_thread(
        self, world: World, case: CaseRecord
    ) -> None:
        client = world.client("bruno")
        client.post(f"/reviews/{case.id}/remark/", remark(case))
        client.post(f"/reviews/{case.id}/remark/", remark(case, x="25", width="50", height="25"))
        page = client.get(f"/reviews/{case.id}/").content.decode()
        assert '<a class="mark" href="#remark-1"' in page
        assert 'cx="32.0" cy="16.32"' in page
        assert '<rect class="line" x="16.0" y="16.32" width="32.00" height="16.00"/>' in page
        assert 'id="remark-2"' in page
        assert 'id="remark-2-title"' in page
        second = review.list_annotations(SYSTEM, case.id)[1]
        assert "Remark 2" in client.get(f"/remarks/{second.id}/").content.decode()

    @pytest.mark.parametrize(
        ("query", "is_taken"),
        [
            ("?x=12.5&y=97.5", True),
            ("?x=12.5", False),
            ("?x=nan&y=1", False),
            ("?x=101&y=1", False),
        ],
    )
    def test_takes_its_place_from_a_click_without_script(
        self, world: World, case: CaseRecord, query: str, is_taken: bool
    ) -> None:
        page = world.client("bruno").get(f"/reviews/{case.id}/remark/{query}").content.decode()
        assert 'href="?x=12.5&amp;y=97.5"' in page
        assert ('name="x" value="12.5"' in page) is is_taken
        assert ('cx="8.0" cy="62.4"' in page) is is_taken

    def test_with_a_size_is_a_box(self, world: World, case: CaseRecord) -> None:
        form = remark(case, x="10", y="10", width="30", height="20")
        world.client("bruno").post(f"/reviews/{case.id}/remark/", form)
        (made,) = review.list_annotations(SYSTEM, case.id)
        assert (made.mark, made.width, made.height) == ("box", 0.3, 0.2)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"x": "101"}, "less than or equal to 100"),
            ({"x": "nan"}, "Enter a number"),
            ({"y": ""}, "Say where, or click on the image."),
            ({"text": " "}, "Say what you mean."),
            ({"x": "90", "width": "20", "height": "5"}, "ends inside the image"),
            ({"width": "20"}, "A box has a size."),
        ],
    )
    def test_that_is_malformed_comes_back_with_what_was_typed(
        self, world: World, case: CaseRecord, changes: dict[str, str], said: str
    ) -> None:
        answer = world.client("bruno").post(f"/reviews/{case.id}/remark/", remark(case, **changes))
        page = unescape(answer.content.decode())
        assert answer.status_code == 400
        assert said in page
        assert 'value="25.5"' in page or changes.get("y") == ""
        assert not Annotation.objects.exists()

    def test_is_not_offered_when_the_review_is_over(self, world: World, case: CaseRecord) -> None:
        world.decide(case, "bruno", "reject")
        client = world.client("bruno")
        page = client.get(f"/reviews/{case.id}/remark/").content.decode()
        assert "Nothing can be added to this review." in page
        late = client.post(f"/reviews/{case.id}/remark/", remark(case))
        assert late.status_code == 409
        assert client.get(f"/reviews/{case.id}/").status_code == 200

    def test_is_shown_as_text(self, world: World, case: CaseRecord) -> None:
        client = world.client("bruno")
        client.post(f"/reviews/{case.id}/remark/", remark(case, text="<b>bold</b>"))
        page = client.get(f"/reviews/{case.id}/").content.decode()
        assert "<b>bold</b>" not in page
        assert "&lt;b&gt;bold&lt;/b&gt;" in page


class TestThread:
    def test_is_answered_and_settled(self, world: World, case: CaseRecord) -> None:
        made = review_services.annotate(
            actor=world.actor("bruno"),
            case_id=case.id,
            sha256=str(case.subject.sha256),
            mark="pin",
            x=0.5,
            y=0.5,
            text="Too small.",
            now=now(),
        )
        marta = world.client("marta")
        address = f"/remarks/{made.id}/"
        assert "Too small." in marta.get(address).content.decode()
        assert marta.post(address, {"text": "The left one?"})["Location"] == address
        assert marta.post(address, {"text": ""}).status_code == 400
        assert marta.post(f"{address}settle/")["Location"] == address
        page = unescape(marta.get(address).content.decode())
        assert "The left one?" in page
        assert "Settled by" in page
        assert "This is settled" not in page
        assert "is settled already" in unescape(
            marta.post(f"{address}settle/", follow=True).content.decode()
        )

    def test_is_hidden_from_others(self, world: World, case: CaseRecord) -> None:
        world.client("bruno").post(f"/reviews/{case.id}/remark/", remark(case))
        (made,) = review.list_annotations(SYSTEM, case.id)
        otto = world.client("otto")
        assert "Answer" not in otto.get(f"/remarks/{made.id}/").content.decode()
        assert otto.post(f"/remarks/{made.id}/", {"text": "?"}).status_code == 403
        assert world.client("ada").get(f"/remarks/{made.id}/").status_code == 404
