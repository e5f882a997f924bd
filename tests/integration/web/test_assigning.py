"""Giving a stage to somebody: by whom, to whom, with a reason, and who is asked afterwards."""

from html import unescape
from uuid import UUID

import pytest
from imprimatur.accounts import services as accounts

from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.kernel.roles import Role
from governance.notices import selectors as notices
from governance.review import audiences
from governance.review import selectors as review
from governance.review.models import Assignment
from governance.review.records import CaseRecord
from tests.integration.web.world import World


@pytest.fixture
def case(world: World) -> CaseRecord:
    return world.cases(world.make(world.order(1)))[0]


@pytest.fixture
def bella(world: World) -> UUID:
    """Return a second brand reviewer."""
    made = accounts.create_user(
        actor=world.actor("ada"),
        username="bella",
        name="Bella Okafor",
        password="only-for-this-test-1",
        now=now(),
    )
    accounts.grant_role(
        actor=world.actor("ada"),
        user_id=made.id,
        brand_id=world.brand_id,
        role=Role.BRAND_REVIEWER,
        now=now(),
    )
    return made.id


def given(case: CaseRecord, person_id: UUID, **changes: str) -> dict[str, str]:
    stage = review.get_case(SYSTEM, case.id).open_stages[0].key
    said = {"stage": stage, "person": str(person_id), "reason": "She knows this product."}
    return {**said, **changes}


class TestAssigning:
    def test_asks_one_person_and_tells_them(
        self, world: World, case: CaseRecord, bella: UUID
    ) -> None:
        clara, address = world.client("clara"), f"/reviews/{case.id}/assign/"
        assert address in clara.get(f"/reviews/{case.id}/").content.decode()
        page = clara.get(address).content.decode()
        assert "Bella Okafor" in page
        assert str(world.actor("marta").id) not in page
        assert str(world.actor("clara").id) not in page
        answer = clara.post(address, given(case, bella), follow=True)
        assert answer.redirect_chain == [(f"/reviews/{case.id}/", 302)]
        assert "Asked: Bella Okafor" in unescape(answer.content.decode())
        (stage,) = review.get_case(SYSTEM, case.id).open_stages
        assert stage.asked == (audiences.of_person(bella),)
        told = notices.list_notices(world.actor("bella"))
        assert "review.assigned" in {one.kind for one in told}
        assert "Nothing waits for you" in world.client("bruno").get("/reviews/").content.decode()

    @pytest.mark.parametrize(
        "changes", [{"reason": " "}, {"person": ""}, {"stage": ""}, {"stage": "none"}]
    )
    def test_needs_all_three(
        self, world: World, case: CaseRecord, bella: UUID, changes: dict[str, str]
    ) -> None:
        answer = world.client("clara").post(
            f"/reviews/{case.id}/assign/", given(case, bella, **changes)
        )
        assert answer.status_code == 400
        assert not Assignment.objects.exists()

    def test_is_never_to_whoever_ordered_it_or_to_oneself(
        self, world: World, case: CaseRecord
    ) -> None:
        for username in ("marta", "clara"):
            answer = world.client("clara").post(
                f"/reviews/{case.id}/assign/", given(case, world.actor(username).id)
            )
            assert answer.status_code == 400, username
        assert not Assignment.objects.exists()

    def test_is_not_for_others_nor_once_the_review_is_over(
        self, world: World, case: CaseRecord, bella: UUID
    ) -> None:
        address = f"/reviews/{case.id}/assign/"
        for username, status in (("marta", 403), ("bruno", 403), ("otto", 403), ("ada", 404)):
            answer = world.client(username).post(address, given(case, bella))
            assert answer.status_code == status, username
        assert address not in world.client("bruno").get(f"/reviews/{case.id}/").content.decode()
        form = given(case, bella)
        world.decide(case, "bruno", "reject")
        clara = world.client("clara")
        assert "You cannot give this review away" in clara.get(address).content.decode()
        assert clara.post(address, form).status_code == 403
        assert not Assignment.objects.exists()
