"""A held image waits for a person of the compliance stage, who had no part in it and says why."""

import pytest

from generation.jobs import services
from generation.jobs.errors import ReasonRequired
from generation.jobs.models import JobItem
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.quota import selectors as quota
from governance.refusals import selectors as refusals
from templates.prompts.errors import VersionRetired
from tests.factories import jobs as make
from tests.factories import review, templates

REASON = "Looks like Ms. Example's own face."


@pytest.fixture
def held(shop: make.Shop) -> JobItem:
    make.finish(make.claimed(shop.order().items[0]), "hold")
    return JobItem.objects.get()


def resolve(shop: make.Shop, item: JobItem, **changes: object) -> None:
    given = {
        "actor": shop.team.compliance_reviewer,
        "item_id": item.id,
        "accept": True,
        "reason": REASON,
        "now": make.NOW,
    }
    services.resolve_hold(**given | changes)


class TestResolveHold:
    def test_sends_an_accepted_image_to_review_and_settles(
        self, shop: make.Shop, held: JobItem
    ) -> None:
        resolve(shop, held)
        item = shop.item(held.id)
        assert item.state == "in_review"
        assert item.case_id is not None
        assert set(shop.balances().values()) == {(0, 1)}
        assert quota.check_books() == []

    def test_accepts_nothing_that_a_retired_template_made(
        self, shop: make.Shop, held: JobItem
    ) -> None:
        templates.retire(shop.studio, shop.version)
        with pytest.raises(VersionRetired):
            resolve(shop, held)
        assert shop.item(held.id).state == "held"
        resolve(shop, held, accept=False)
        assert shop.item(held.id).state == "refused"

    def test_refuses_an_image_on_record(self, shop: make.Shop, held: JobItem) -> None:
        resolve(shop, held, accept=False)
        item = shop.item(held.id)
        assert (item.state, item.case_id) == ("refused", None)
        refusal = refusals.get_refusal(shop.marketer, item.refusal_id)
        assert (refusal.stage, refusal.category) == ("image", "held")
        assert "Example" not in refusal.reason
        assert set(shop.balances().values()) == {(0, 1)}

    @pytest.mark.parametrize("accept", [True, False])
    def test_keeps_the_reason_sealed_in_the_ledger(
        self, shop: make.Shop, held: JobItem, *, accept: bool
    ) -> None:
        resolve(shop, held, accept=accept)
        bodies = [bytes(body) for body in Entry.objects.values_list("body", flat=True)]
        assert not any(b"Example's" in body for body in bodies)
        acts = Entry.objects.filter(actor_id=shop.team.compliance_reviewer.id)
        assert acts.filter(event__startswith="generation.item").count() == 1

    @pytest.mark.parametrize("accept", [True, False])
    def test_needs_a_reason(self, shop: make.Shop, held: JobItem, *, accept: bool) -> None:
        before = make.count_rows()
        with pytest.raises(ReasonRequired):
            resolve(shop, held, accept=accept, reason="  ")
        assert make.count_rows() == before

    def test_takes_no_endless_reason(self, shop: make.Shop, held: JobItem) -> None:
        with pytest.raises(InvalidInput):
            resolve(shop, held, reason="x" * 4001)
        assert shop.item(held.id).state == "held"

    def test_names_the_act_in_the_ledger(self, shop: make.Shop, held: JobItem) -> None:
        resolve(shop, held)
        entry = Entry.objects.get(event="generation.item.accepted")
        assert entry.actor_id == shop.team.compliance_reviewer.id

    def test_is_not_for_other_roles_nor_for_another_brand(
        self, shop: make.Shop, held: JobItem
    ) -> None:
        for actor in (shop.team.brand_reviewer, shop.team.manager, shop.team.auditor):
            with pytest.raises(NotPermitted):
                resolve(shop, held, actor=actor)
        with pytest.raises(NotFound):
            resolve(shop, held, actor=make.shop("southwind").team.compliance_reviewer)
        assert shop.item(held.id).state == "held"

    def test_is_not_for_who_had_a_part_in_the_image(self, shop: make.Shop) -> None:
        author = review.person(shop.brand_id, Role.COMPLIANCE_REVIEWER)
        claim = make.claimed(shop.order().items[0])
        services.finish(
            claim=claim,
            rendered=make.rendered(claim, "hold"),
            contributors={author.id: "template_author"},
            now=make.NOW,
        )
        with pytest.raises(NotPermitted):
            resolve(shop, JobItem.objects.get(), actor=author)

    def test_happens_once_and_only_to_what_is_held(self, shop: make.Shop, held: JobItem) -> None:
        resolve(shop, held)
        waiting = shop.order().items[0]
        before = make.count_rows()
        for item_id in (held.id, waiting.id):
            with pytest.raises(IllegalTransition):
                resolve(shop, held, item_id=item_id)
        assert make.count_rows() == before
