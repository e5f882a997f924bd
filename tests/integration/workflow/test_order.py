"""Orders: what a good one leaves, what a bad one is told, and that one is placed once."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from imprimatur.workflow import order

from generation.jobs import selectors as jobs
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.policy.permits import NotPermitted
from governance.quota import selectors as quota
from governance.quota.errors import QuotaExceeded
from governance.refusals import selectors as refusals
from templates.prompts import services as prompts
from tests import rows
from tests.factories import orders
from tests.factories.jobs import claimed
from tests.factories.orders import Desk
from tests.factories.quota import PERIOD
from tests.factories.review import NOW, person

REFUSAL_ONLY = {"ledger_entry": 1, "ledger_pending": 1, "refusals_refusal": 1}


class TestAnOrder:
    def test_leaves_its_items_reservations_hints_and_one_entry(self, desk: Desk) -> None:
        before = rows.counted()
        job = desk.place(variants=2)
        assert rows.added_since(before) == {
            "jobs_generationjob": 1,
            "jobs_jobitem": 2,
            # The first order of a person with a model opens their place in the queue.
            "jobs_lane": 1,
            "jobs_share": 4,
            "ledger_entry": 1,
            "ledger_pending": 1,
            "outbox_outbox": 2,
            "quota_entry": 6,
        }
        assert job.variables == orders.VARIABLES
        assert [item.state for item in job.items] == ["queued", "queued"]
        assert quota.check_books() == []

    def test_counts_its_seeds_on_from_the_first(self, desk: Desk) -> None:
        assert [i.seed for i in desk.place(variants=3, seed=41).items] == [41, 42, 43]
        wrapped = desk.place(variants=2, seed=order.SEED_MAX)
        assert [i.seed for i in wrapped.items] == [order.SEED_MAX, 0]

    def test_takes_one_of_the_templates_sizes(self, desk: Desk) -> None:
        assert desk.place(width=256, height=256).items

    def test_renders_with_the_parameters_that_the_templates_reviewers_saw(self, desk: Desk) -> None:
        item = desk.place().items[0]
        claim = claimed(item)
        assert desk.profile.parameters["steps"] == 3
        assert (claim.steps, claim.guidance) == (8, 4.0)

    def test_fills_the_prompt_that_the_preview_showed(self, desk: Desk) -> None:
        shown = order.preview(
            actor=desk.marketer,
            template_id=desk.version.template_id,
            variables=orders.VARIABLES,
            variants=2,
            now=NOW,
        )
        assert (shown.prompt, shown.images) == ("a red mug, soft light", 2)
        assert shown.violation is None
        item = desk.place().items[0]
        assert jobs.prompt_of(desk.marketer, item.id) == shown.prompt


def _of(**changes: Any) -> Callable[[Desk], object]:
    return lambda desk: desk.place(**changes)


MALFORMED = {
    "a variable of the wrong type": (
        _of(with_variables={"detail": 7}),
        ("/variables/detail", "type"),
    ),
    "a variable that is too long": (
        _of(with_variables={"detail": "x" * 41}),
        ("/variables/detail", "maxLength"),
    ),
    "control characters": (
        _of(with_variables={"detail": "a\x07b"}),
        ("/variables/detail", "characters"),
    ),
    "a choice that is none": (
        _of(with_variables={"object": "tank"}),
        ("/variables/object", "enum"),
    ),
    "an unknown variable": (_of(with_variables={"brand": "x"}), ("/variables/brand", "unknown")),
    "a missing variable": (
        _of(variables={"object": "mug"}),
        ("/variables/color", "required"),
    ),
    "a width that is no multiple of 16": (
        _of(width=250, height=256),
        ("/width", "multiple_of_16"),
    ),
    "a height that is no multiple of 16": (
        _of(width=256, height=250),
        ("/height", "multiple_of_16"),
    ),
    "a size below nothing": (_of(width=256, height=-16), ("/height", "multiple_of_16")),
    "a width without a height": (_of(width=256), ("/height", "required")),
    "a height without a width": (_of(height=256), ("/width", "required")),
    "a size that the template does not have": (_of(width=512, height=512), ("/width", "allowed")),
    "no variants": (_of(variants=0), ("/variants", "range")),
    "more variants than allowed": (_of(variants=9), ("/variants", "range")),
    "a seed below the range": (_of(seed=-1), ("/seed", "range")),
    "a seed above the range": (_of(seed=order.SEED_MAX + 1), ("/seed", "range")),
    "a profile that the template does not allow": (
        _of(profile="somebody-elses"),
        ("/profile", "allowed"),
    ),
    "no idempotency key": (_of(idempotency_key=""), ("/idempotency_key", "length")),
    "an endless idempotency key": (_of(idempotency_key="k" * 256), ("/idempotency_key", "length")),
}


class TestAMalformedOrder:
    @pytest.mark.parametrize(("act", "named"), MALFORMED.values(), ids=MALFORMED.keys())
    def test_is_told_the_field_and_the_rule_and_leaves_no_row(
        self, desk: Desk, act: Callable[[Desk], object], named: tuple[str, str]
    ) -> None:
        before = rows.counted()
        with pytest.raises(InvalidInput) as caught:
            act(desk)
        error = caught.value
        assert (error.status, error.code) == (400, "invalid_input")
        assert (error.pointer, error.facts["rule"]) == named
        assert error.detail.endswith(".")
        assert rows.added_since(before) == {}

    def test_from_an_unknown_template_is_not_found(self, desk: Desk) -> None:
        assert_nothing_comes_of(desk, NotFound, 404, "not_found", template_id=uuid4())

    def test_from_a_template_without_a_released_version_says_so(self, desk: Desk) -> None:
        prompts.retire_version(
            actor=desk.studio.author, version_id=desk.version.id, reason="Out of season.", now=NOW
        )
        assert_nothing_comes_of(desk, DomainError, 409, "nothing_released")

    def test_with_a_key_of_the_full_length_is_an_order(self, desk: Desk) -> None:
        key = "k" * order.KEY_MAX
        assert desk.place(idempotency_key=key).id == desk.place(idempotency_key=key).id


class TestAnOrderByTheWrongPerson:
    @pytest.mark.parametrize(
        "role", [Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER, Role.BRAND_MANAGER, Role.AUDITOR]
    )
    def test_of_the_brand_is_not_permitted(self, desk: Desk, role: Role) -> None:
        actor = person(desk.brand_id, role)
        assert_nothing_comes_of(desk, NotPermitted, 403, "not_permitted", actor=actor)

    def test_of_another_brand_finds_no_template(self, desk: Desk) -> None:
        stranger = person(uuid4(), Role.MARKETER)
        assert_nothing_comes_of(desk, NotFound, 404, "not_found", actor=stranger)

    def test_is_judged_before_its_content(self, desk: Desk) -> None:
        actor = person(desk.brand_id, Role.BRAND_REVIEWER)
        assert_nothing_comes_of(desk, NotPermitted, 403, "not_permitted", actor=actor, variants=99)


class TestARefusedOrder:
    def test_leaves_exactly_one_refusal_and_its_entry(self, desk: Desk) -> None:
        before = rows.counted()
        with pytest.raises(order.OrderRefused) as caught:
            desk.place(variants=3, with_variables={"detail": "a h4zard badge"})
        error = caught.value
        assert (error.status, error.code) == (422, "order_refused")
        assert (error.pointer, error.facts["rule"]) == ("/variables/detail", "hazard_sign")
        assert rows.added_since(before) == REFUSAL_ONLY
        kept = refusals.get_refusal(desk.marketer, UUID(str(error.facts["refusal_id"])))
        assert (kept.stage, kept.category, kept.reason) == ("prompt", "hazard_sign", error.detail)
        assert kept.overridable_by == Role.COMPLIANCE_REVIEWER

    def test_keeps_what_was_written_out_of_the_reason_and_sealed(self, desk: Desk) -> None:
        with pytest.raises(order.OrderRefused) as caught:
            desk.place(with_variables={"detail": "warning sign by Zenobia"})
        assert "Zenobia" not in str(caught.value.facts) + caught.value.detail
        refusal_id = UUID(str(caught.value.facts["refusal_id"]))
        kept = refusals.get_refusal(desk.marketer, refusal_id)
        assert kept.has_detail

    def test_is_shown_by_the_preview_which_records_nothing(self, desk: Desk) -> None:
        before = rows.counted()
        shown = order.preview(
            actor=desk.marketer,
            template_id=desk.version.template_id,
            variables={**orders.VARIABLES, "detail": "hazard"},
            now=NOW,
        )
        assert "Hazard signs" in str(shown.violation)
        assert rows.added_since(before) == {}

    @pytest.mark.parametrize("images", [5, 1])
    def test_by_quota_leaves_exactly_one_refusal_too(self, db: None, images: int) -> None:
        desk = orders.desk(images=images)
        before = rows.counted()
        with pytest.raises(QuotaExceeded) as caught:
            desk.place(variants=images + 1)
        error = caught.value
        assert (error.status, error.code, error.pointer) == (422, "quota_exceeded", "/variants")
        assert rows.added_since(before) == REFUSAL_ONLY
        kept = refusals.get_refusal(desk.marketer, UUID(str(error.facts["refusal_id"])))
        assert (kept.stage, kept.category) == ("quota", "user")
        # The answer also says how to ask for more.
        assert error.detail.startswith(kept.reason)
        assert "quota request" in error.detail
        assert (error.facts["holder_kind"], error.facts["period"]) == ("user", PERIOD)
        assert desk.place(variants=images).items

    def test_by_a_rule_is_refused_before_the_quota_is_asked(self, desk: Desk) -> None:
        with pytest.raises(order.OrderRefused):
            desk.place(variants=6, with_variables={"detail": "hazard"})


class TestTheSameKey:
    def test_is_the_same_order(self, desk: Desk) -> None:
        job = desk.place(idempotency_key="spring")
        before = rows.counted()
        assert desk.place(idempotency_key="spring") == job
        assert rows.added_since(before) == {}

    def test_of_another_person_is_another_order(self, desk: Desk) -> None:
        job = desk.place(idempotency_key="spring")
        colleague = person(desk.brand_id, Role.MARKETER)
        with pytest.raises(QuotaExceeded):
            desk.place(colleague, idempotency_key="spring")
        assert desk.place(idempotency_key="summer").id != job.id


@pytest.mark.django_db(transaction=True)
class TestTheSameKeyAtTheSameTime:
    """Two requests that both look for an earlier order before either has made one."""

    @pytest.mark.parametrize("images", [5, 1], ids=["with quota for both", "with quota for one"])
    def test_is_one_order_for_both(
        self, monkeypatch: pytest.MonkeyPatch, transactional_db: None, images: int
    ) -> None:
        desk = orders.desk(images=images)
        before = rows.counted()
        meet_after_looking(monkeypatch, 2)
        found, errors = at_once(lambda: desk.place(idempotency_key="spring"), 2)
        assert errors == []
        assert len(set(found)) == 1
        assert rows.added_since(before) == {
            "jobs_generationjob": 1,
            "jobs_jobitem": 1,
            # The first order of a person with a model opens their place in the queue.
            "jobs_lane": 1,
            "jobs_share": 4,
            "ledger_entry": 1,
            "ledger_pending": 1,
            "outbox_outbox": 1,
            "quota_entry": 3,
        }
        assert quota.check_books() == []

    def test_under_two_keys_is_two_orders(
        self, monkeypatch: pytest.MonkeyPatch, transactional_db: None
    ) -> None:
        desk = orders.desk()
        meet_after_looking(monkeypatch, 2)
        found, errors = at_once(desk.place, 2)
        assert errors == []
        assert len(set(found)) == 2


def assert_nothing_comes_of(
    desk: Desk, kind: type[DomainError], status: int, code: str, **changes: Any
) -> None:
    before = rows.counted()
    with pytest.raises(kind) as caught:
        desk.place(**changes)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert rows.added_since(before) == {}


def meet_after_looking(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Hold each thread at its first look for an earlier order until all have looked."""
    barrier, waited = threading.Barrier(count, timeout=20), threading.local()
    look = jobs.find_job_by_key

    def look_and_wait(*arguments: Any) -> UUID | None:
        found = look(*arguments)
        if not getattr(waited, "done", False):
            waited.done = True
            barrier.wait()
        return found

    monkeypatch.setattr(jobs, "find_job_by_key", look_and_wait)


def at_once(act: Callable[[], Any], count: int) -> tuple[list[UUID], list[Exception]]:
    """Run `act` in threads with a connection each; return the orders' ids and what was raised."""
    found: list[UUID] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            found.append(act().id)
        except Exception as error:  # noqa: BLE001  handed to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, errors
