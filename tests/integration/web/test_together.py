"""One verdict on several images: only of little risk, only on bytes that were shown, one by one."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.models import Decision
from governance.review.records import CaseRecord, ItemSpec
from tests.factories import review as make
from tests.integration.web.world import World

ADDRESS = "/reviews/together/"


@pytest.fixture
def cases(world: World) -> list[CaseRecord]:
    """Return three cases of one order that wait for bruno."""
    return world.cases(world.make(world.order(3)))


def look(client: Client, *cases: CaseRecord) -> None:
    """Open the images as the page does."""
    for case in cases:
        assert client.get(f"/assets/{case.subject.id}/image").status_code == 200


def sent(*cases: CaseRecord, **changes: str) -> dict[str, object]:
    chosen = [f"{case.id}:{case.subject.sha256}" for case in cases]
    return {"chosen": chosen, "verdict": "approve", **changes}


def decided(*cases: CaseRecord) -> list[int]:
    """Count each case's decisions."""
    return [Decision.objects.filter(case_id=case.id).count() for case in cases]


class TestChoosing:
    def test_is_offered_in_the_queue_and_shows_the_images_whole(
        self, world: World, cases: list[CaseRecord]
    ) -> None:
        client = world.client("bruno")
        queue = client.get("/reviews/").content.decode()
        assert f'name="chosen" value="{cases[0].id}" form="together"' in queue
        page = client.get(ADDRESS, {"chosen": [case.id for case in cases[:2]]}).content.decode()
        for case in cases[:2]:
            assert f'src="/assets/{case.subject.id}/image"' in page
            assert f'value="{case.id}:{case.subject.sha256}" checked' in page
        assert str(cases[2].id) not in page

    def test_leaves_out_what_is_risky_hidden_or_no_id(
        self, world: World, cases: list[CaseRecord], settings: Any
    ) -> None:
        client = world.client("bruno")
        wanted = [cases[0].id, world.brand_id, "no-id"]
        page = unescape(client.get(ADDRESS, {"chosen": wanted}).content.decode())
        assert "1 of the chosen is not here" in page
        settings.BULK_RISK_BELOW = 0
        assert 'form="together"' not in client.get("/reviews/").content.decode()
        page = unescape(client.get(ADDRESS, {"chosen": wanted}).content.decode())
        assert "Nothing here to decide together" in page

    def test_has_nothing_for_whoever_ordered_them(
        self, world: World, cases: list[CaseRecord]
    ) -> None:
        client = world.client("marta")
        page = client.get(ADDRESS, {"chosen": [cases[0].id]}).content.decode()
        assert "Nothing here to decide together" in page
        assert client.post(ADDRESS, sent(cases[0])).status_code == 400
        assert decided(cases[0]) == [0]


class TestDeciding:
    def test_takes_each_decision_by_itself(self, world: World, cases: list[CaseRecord]) -> None:
        first, second, unseen = cases
        client = world.client("bruno")
        look(client, first, second)
        answer = client.post(ADDRESS, sent(first, second, unseen), follow=True)
        page = unescape(answer.content.decode())
        assert answer.redirect_chain == [("/reviews/", 302)]
        assert "2 decisions recorded." in page
        assert f"{unseen.title}: These bytes were not on your screen yet" in page
        assert decided(first, second, unseen) == [1, 1, 0]

    def test_of_other_bytes_is_refused(self, world: World, cases: list[CaseRecord]) -> None:
        client = world.client("bruno")
        look(client, cases[0])
        form = {"chosen": [f"{cases[0].id}:{'0' * 64}"], "verdict": "approve"}
        assert client.post(ADDRESS, form).status_code == 400
        assert decided(cases[0]) == [0]

    def test_without_a_reason_comes_back_with_what_was_chosen(
        self, world: World, cases: list[CaseRecord]
    ) -> None:
        client = world.client("bruno")
        look(client, *cases)
        answer = client.post(ADDRESS, sent(*cases[:2], verdict="reject"))
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "id_reason_error" in page
        assert decided(*cases) == [0, 0, 0]
        client.post(ADDRESS, sent(*cases[:2], verdict="reject", reason="The horizon tilts."))
        assert [review.get_case(SYSTEM, case.id).state for case in cases] == [
            "rejected",
            "rejected",
            "open",
        ]

    def test_asks_for_the_checklist_once_for_all(self, world: World) -> None:
        proposed = review_services.propose_policy(
            actor=world.actor("mona"),
            brand_id=world.brand_id,
            subject_kind="asset",
            name="With a checklist",
            stages=[make.BRAND_STAGE],
            checklist=[ItemSpec("Is the label right?", key="label")],
            now=now(),
        )
        review_services.approve_policy(
            actor=world.actor("max"), policy_id=proposed.id, sha256=proposed.sha256, now=now()
        )
        cases = world.cases(world.make(world.order(2)))
        client = world.client("bruno")
        look(client, *cases)
        page = client.get(ADDRESS, {"chosen": [case.id for case in cases]}).content.decode()
        assert page.count("Is the label right?") == 1
        unanswered = client.post(ADDRESS, sent(*cases))
        assert unanswered.status_code == 422
        assert "has no answer" in unanswered.content.decode()
        client.post(ADDRESS, sent(*cases, check_label="yes"))
        assert decided(*cases) == [1, 1]

    def test_asks_for_an_old_password_again(self, world: World, cases: list[CaseRecord]) -> None:
        client = world.client("bruno")
        look(client, cases[0])
        world.authenticate(client, now() - timedelta(hours=1))
        for password in ("", "wrong"):
            answer = client.post(ADDRESS, sent(cases[0], password=password))
            assert answer.status_code == 403
            assert 'type="password"' in answer.content.decode()
        assert decided(cases[0]) == [0]
        client.post(ADDRESS, sent(cases[0], password=world.passwords["bruno"]))
        assert decided(cases[0]) == [1]
