"""Appeals and overrides: who decides, what is on record, and what an overturned refusal allows."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings as installation
from django.db import connection
from imprimatur.workflow import appeals, order

from generation.jobs.errors import NotOverridden
from generation.jobs.services import overturn_refusal
from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role
from governance.ledger import services as ledger
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.refusals import errors, selectors, services
from governance.refusals.models import Appeal, Override, PassUse
from governance.refusals.records import RefusalRecord
from governance.review import selectors as cases
from governance.review import services as review_services
from governance.review.selectors import NoPolicy
from templates.brands import services as brands
from tests import rows
from tests.factories import jobs as make
from tests.factories import orders, refusals
from tests.factories.orders import Desk
from tests.factories.refusals import ARGUMENT, REASON, REFUSED
from tests.factories.review import NOW, person

LONG = "x" * 4001


@pytest.fixture
def refused(desk: Desk) -> RefusalRecord:
    """Return the refusal of the marketer's order."""
    return refusals.of_order(desk)


@pytest.fixture
def shop(db: None, settings: Any, tmp_path: Path) -> make.Shop:
    make.use_blobs(settings, tmp_path / "blobs")
    return make.shop()


def clara(desk: Desk) -> Actor:
    return desk.studio.team.compliance_reviewer


def events(subject_id: UUID) -> list[str]:
    found = Entry.objects.filter(subject_id=subject_id).order_by("id")
    return list(found.values_list("event", flat=True))


class TestOpening:
    def test_leaves_one_appeal_and_its_entry_with_the_argument_sealed(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        before = rows.counted()
        opened = refusals.appeal(refused)
        assert rows.added_since(before) == {
            "ledger_entry": 1,
            "ledger_pending": 1,
            "refusals_appeal": 1,
        }
        assert (opened.state, opened.argument) == ("open", ARGUMENT)
        assert events(opened.id) == ["refusals.appeal.opened"]
        assert not any(b"family" in bytes(b) for b in Entry.objects.values_list("body", flat=True))

    def test_is_for_whoever_was_refused_alone(self, desk: Desk, refused: RefusalRecord) -> None:
        for actor in (clara(desk), desk.studio.team.auditor, desk.studio.team.manager):
            with pytest.raises(NotPermitted):
                refusals.appeal(refused, actor)
        for stranger in (person(desk.brand_id, Role.MARKETER), person(uuid4(), Role.MARKETER)):
            with pytest.raises(NotFound):
                refusals.appeal(refused, stranger)
        assert not Appeal.objects.exists()

    def test_is_not_for_a_key(self, desk: Desk, refused: RefusalRecord) -> None:
        key = Actor(
            desk.marketer.id,
            ActorKind.INTEGRATION,
            desk.marketer.roles,
            scopes=frozenset({"refusals:refusal:read", "refusals:appeal:open"}),
        )
        with pytest.raises(NotPermitted):
            refusals.appeal(refused, key)

    def test_happens_once_and_again_only_after_a_withdrawal(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        first = refusals.appeal(refused)
        with pytest.raises(errors.AppealExists):
            refusals.appeal(refused)
        services.withdraw_appeal(actor=desk.marketer, appeal_id=first.id, now=NOW)
        second = refusals.appeal(refused)
        refusals.decide(second, clara(desk), "uphold")
        with pytest.raises(errors.AppealExists):
            refusals.appeal(refused)
        assert Appeal.objects.count() == 2

    @pytest.mark.parametrize(
        ("argument", "kind"),
        [("", errors.ArgumentRequired), (" \n", errors.ArgumentRequired), (LONG, InvalidInput)],
    )
    def test_needs_an_argument_of_some_length(
        self, refused: RefusalRecord, argument: str, kind: type[DomainError]
    ) -> None:
        with pytest.raises(kind) as caught:
            refusals.appeal(refused, argument=argument)
        assert caught.value.pointer == "/argument"
        assert not Appeal.objects.exists()

    @pytest.mark.parametrize("stage", ["gate", "quota", "licence"])
    def test_is_not_for_what_nobody_may_override_and_says_what_helps(
        self, desk: Desk, stage: str
    ) -> None:
        team = desk.studio.team
        refusal = refusals.at(stage, team)
        for act in (
            lambda: refusals.appeal(refusal),
            lambda: refusals.override(refusal, team.compliance_reviewer),
        ):
            with pytest.raises(errors.NotOverridable) as caught:
                act()
            assert "Nobody overrides" in caught.value.detail
            assert caught.value.status == 422
        assert not Override.objects.exists()

    def test_is_pointless_once_somebody_overrode_it(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        refusals.override(refused, clara(desk))
        with pytest.raises(errors.AlreadyOverridden):
            refusals.appeal(refused)


class TestWithdrawing:
    def test_closes_it_without_a_decision(self, desk: Desk, refused: RefusalRecord) -> None:
        opened = refusals.appeal(refused)
        taken_back = services.withdraw_appeal(actor=desk.marketer, appeal_id=opened.id, now=NOW)
        assert (taken_back.state, taken_back.decided_by) == ("withdrawn", None)
        assert events(opened.id)[-1] == "refusals.appeal.withdrawn"
        with pytest.raises(errors.AppealClosed):
            refusals.decide(opened, clara(desk))

    def test_is_the_appellants_alone_and_only_while_it_is_open(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        opened = refusals.appeal(refused)
        with pytest.raises(NotPermitted):
            services.withdraw_appeal(actor=clara(desk), appeal_id=opened.id, now=NOW)
        refusals.decide(opened, clara(desk), "uphold")
        with pytest.raises(errors.AppealClosed):
            services.withdraw_appeal(actor=desk.marketer, appeal_id=opened.id, now=NOW)


# Who may decide about a refused prompt: roles in the brand, then a part in it, then the answer.
DECIDERS = {
    "marketer": (Role.MARKETER, "", NotFound),
    "brand reviewer": (Role.BRAND_REVIEWER, "", NotFound),
    "brand manager": (Role.BRAND_MANAGER, "", NotFound),
    "data steward": (Role.DATA_STEWARD, "", NotFound),
    "auditor": (Role.AUDITOR, "", NotPermitted),
    "compliance reviewer": (Role.COMPLIANCE_REVIEWER, "", None),
    "compliance reviewer who wrote the template": (
        Role.COMPLIANCE_REVIEWER,
        "author",
        errors.HadAPart,
    ),
    "compliance reviewer who was refused": (
        Role.COMPLIANCE_REVIEWER,
        "requester",
        errors.HadAPart,
    ),
}


class TestDeciding:
    @pytest.mark.parametrize(("role", "part", "refused_with"), DECIDERS.values(), ids=DECIDERS)
    def test_is_for_a_compliance_reviewer_who_had_no_part(
        self,
        desk: Desk,
        refused: RefusalRecord,
        role: Role,
        part: str,
        refused_with: type[DomainError] | None,
    ) -> None:
        opened = refusals.appeal(refused)
        authors = cases.contributors(refused.subject_id)
        who = {"author": next(iter(authors)), "requester": refused.requester_id}
        actor = person(desk.brand_id, role)
        if part:
            actor = Actor(who[part], roles=actor.roles)
        if refused_with is None:
            assert refusals.decide(opened, actor).state == "overturned"
            return
        with pytest.raises(refused_with):
            refusals.decide(opened, actor)
        with pytest.raises((refused_with, errors.AppealExists, NotPermitted)):
            refusals.override(refused, actor)
        assert selectors.get_appeal(SYSTEM, opened.id).state == "open"

    def test_is_neither_an_admins_nor_a_keys(self, desk: Desk, refused: RefusalRecord) -> None:
        opened = refusals.appeal(refused)
        decider = clara(desk)
        scopes = frozenset({"refusals:appeal:read", "refusals:appeal:decide"})
        key = Actor(decider.id, ActorKind.INTEGRATION, decider.roles, scopes=scopes)
        with pytest.raises(NotPermitted):
            refusals.decide(opened, key)
        with pytest.raises(NotFound):
            refusals.decide(opened, Actor(uuid4(), is_platform_admin=True))

    def test_upholds_the_refusal_for_good(self, desk: Desk, refused: RefusalRecord) -> None:
        opened = refusals.appeal(refused)
        decided = refusals.decide(opened, clara(desk), "uphold", "It reads as a warning.")
        assert (decided.state, decided.decided_by) == ("upheld", clara(desk).id)
        told = selectors.get_appeal(desk.marketer, opened.id)
        assert (told.argument, told.reason) == (ARGUMENT, "It reads as a warning.")
        other = person(desk.brand_id, Role.COMPLIANCE_REVIEWER)
        with pytest.raises(errors.AppealExists):
            refusals.override(refused, other)
        with pytest.raises(order.OrderRefused):
            desk.place(with_variables=REFUSED)

    def test_overturns_it_with_one_override_that_names_the_appeal(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        opened = refusals.appeal(refused)
        before = rows.counted()
        refusals.decide(opened, clara(desk))
        assert rows.added_since(before) == {
            "ledger_entry": 2,
            "ledger_pending": 2,
            "refusals_override": 1,
            "sealing_personkey": 1,
        }
        override = selectors.find_override(desk.marketer, refused.id)
        assert override is not None
        assert (override.appeal_id, override.reason) == (opened.id, REASON)
        assert events(opened.id)[-1] == "refusals.appeal.overturned"
        assert events(refused.id)[-1] == "refusals.override.recorded"
        assert selectors.get_refusal(desk.marketer, refused.id).override_id == override.id

    @pytest.mark.parametrize(
        ("ruling", "reason", "kind"),
        [
            ("overturn", " ", errors.ReasonRequired),
            ("uphold", "", errors.ReasonRequired),
            ("overturn", LONG, InvalidInput),
            ("allow", REASON, InvalidInput),
        ],
    )
    def test_needs_a_ruling_and_a_reason(
        self,
        desk: Desk,
        refused: RefusalRecord,
        ruling: str,
        reason: str,
        kind: type[DomainError],
    ) -> None:
        opened = refusals.appeal(refused)
        with pytest.raises(kind):
            refusals.decide(opened, clara(desk), ruling, reason)
        assert selectors.get_appeal(SYSTEM, opened.id).state == "open"
        assert not Override.objects.exists()

    def test_happens_once(self, desk: Desk, refused: RefusalRecord) -> None:
        opened = refusals.appeal(refused)
        refusals.decide(opened, clara(desk), "uphold")
        other = person(desk.brand_id, Role.COMPLIANCE_REVIEWER)
        for again in (clara(desk), other):
            with pytest.raises(errors.AppealClosed) as caught:
                refusals.decide(opened, again)
            assert caught.value.facts["state"] == "upheld"
        assert not Override.objects.exists()

    def test_leaves_the_appeal_readable_without_the_text_of_an_erased_person(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        opened = refusals.appeal(refused)
        steward = person(desk.brand_id, Role.DATA_STEWARD)
        ledger.erase_person(
            actor=steward, person_id=desk.marketer.id, brand_id=desk.brand_id, now=NOW
        )
        seen = selectors.get_appeal(clara(desk), opened.id)
        assert (seen.state, seen.argument) == ("open", None)
        assert appeals.reveal(actor=clara(desk), refusal_id=refused.id, now=NOW) is None
        assert refusals.decide(opened, clara(desk)).state == "overturned"


class TestAttempts:
    def test_to_decide_that_are_refused_are_recorded_with_their_code(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        opened = refusals.appeal(refused)
        auditor, before = desk.studio.team.auditor, rows.counted()
        with pytest.raises(NotPermitted):
            refusals.decide(opened, auditor)
        assert rows.added_since(before) == {"ledger_entry": 1, "ledger_pending": 1}
        entry = Entry.objects.order_by("id").last()
        assert entry is not None
        assert entry.event == "refusals.appeal.attempt_refused"
        assert (entry.subject_id, entry.actor_id) == (opened.id, auditor.id)
        assert b'"code":"not_permitted"' in bytes(entry.body)

    def test_to_override_are_recorded_too(self, desk: Desk, refused: RefusalRecord) -> None:
        with pytest.raises(errors.ReasonRequired):
            refusals.override(refused, clara(desk), " ")
        assert events(refused.id)[-1] == "refusals.override.attempt_refused"

    def test_by_strangers_and_malformed_ones_leave_nothing(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        opened, before = refusals.appeal(refused), rows.counted()
        before = rows.counted()
        with pytest.raises(NotFound):
            refusals.decide(opened, person(uuid4(), Role.COMPLIANCE_REVIEWER))
        with pytest.raises(InvalidInput):
            refusals.decide(opened, clara(desk), "perhaps")
        assert rows.added_since(before) == {}


class TestReading:
    def test_the_refused_words_is_recorded_and_for_who_may_decide(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        words = appeals.reveal(actor=clara(desk), refusal_id=refused.id, now=NOW)
        assert words is not None
        assert "h4zard badge" in words
        assert events(refused.id)[-1] == "refusals.refusal.revealed"
        for actor in (desk.studio.team.auditor, desk.studio.team.manager):
            with pytest.raises(NotPermitted):
                appeals.reveal(actor=actor, refusal_id=refused.id, now=NOW)

    def test_lists_go_by_role_and_hold_no_texts(self, desk: Desk, refused: RefusalRecord) -> None:
        opened = refusals.appeal(refused)
        team = desk.studio.team
        for actor, seen, decidable in (
            (desk.marketer, True, False),
            (team.auditor, True, False),
            (team.compliance_reviewer, True, True),
            (team.brand_reviewer, False, False),
            (person(uuid4(), Role.COMPLIANCE_REVIEWER), False, False),
        ):
            listed = selectors.list_appeals(actor)
            assert [a.id for a in listed] == ([opened.id] if seen else [])
            assert all((a.argument, a.reason) == (None, None) for a in listed)
            waiting = selectors.list_appeals(actor, decidable=True)
            assert [a.id for a in waiting] == ([opened.id] if decidable else [])
            if not seen:
                with pytest.raises(NotFound):
                    selectors.get_appeal(actor, opened.id)

    def test_a_list_pages_in_both_directions(self, desk: Desk) -> None:
        made = [refusals.appeal(refusals.of_order(desk)).id for _ in range(3)]
        team = desk.studio.team
        newest = selectors.list_appeals(team.auditor, limit=2)
        oldest = selectors.list_appeals(team.compliance_reviewer, decidable=True, limit=2)
        assert [a.id for a in newest] == made[:0:-1]
        assert [a.id for a in oldest] == made[:2]
        last = selectors.list_appeals(
            team.compliance_reviewer, decidable=True, after=oldest[-1].id, limit=2
        )
        assert [a.id for a in last] == made[2:]


class TestAnOverturnedPrompt:
    def test_lets_one_order_of_exactly_these_words_pass_and_says_which(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        refusals.decide(refusals.appeal(refused), clara(desk))
        job = desk.place(with_variables=REFUSED, variants=2)
        assert [item.state for item in job.items] == ["queued", "queued"]
        override = selectors.find_override_of_order(job.id)
        assert override is not None
        assert override.refusal_id == refused.id
        assert events(refused.id)[-1] == "refusals.override.used"
        again = refusals.of_order(desk)
        assert again.id != refused.id
        assert PassUse.objects.count() == 1

    def test_is_shown_as_allowed_by_the_preview_until_it_is_used(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        refusals.override(refused, clara(desk))

        def shown() -> str | None:
            return order.preview(
                actor=desk.marketer,
                template_id=desk.version.template_id,
                variables=orders.VARIABLES | REFUSED,
                now=NOW,
            ).violation

        assert shown() is None
        desk.place(with_variables=REFUSED)
        assert shown() is not None

    def test_screens_everything_else_as_before(self, desk: Desk, refused: RefusalRecord) -> None:
        refusals.override(refused, clara(desk))
        for other in ({"detail": "a h4zard  badge"}, {"detail": "a hazard badge"}):
            refusals.of_order(desk, with_variables=other)
        refusals.of_order(desk, with_variables=REFUSED | {"color": "orange"})
        colleague = person(desk.brand_id, Role.MARKETER)
        refusals.of_order(desk, actor=colleague)
        late = NOW + timedelta(days=installation.PASS_DAYS)
        refusals.of_order(desk, now=late)
        assert desk.place(with_variables=REFUSED).items

    def test_does_not_outlive_the_rules_that_it_was_judged_by(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        refusals.override(refused, clara(desk))
        rule = {"category": "hazard_sign", "terms": ["hazard*"], "reason": "No hazard signs."}
        team = desk.studio.team
        proposed = brands.propose_rules(
            actor=team.manager, brand_id=desk.brand_id, rules=[rule], now=NOW
        )
        brands.approve_rules(
            actor=team.other_manager, rules_id=proposed.id, sha256=proposed.sha256, now=NOW
        )
        refusals.of_order(desk)

    def test_is_not_used_up_by_an_order_that_the_quota_refuses(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        refusals.override(refused, clara(desk))
        with pytest.raises(DomainError) as caught:
            desk.place(with_variables=REFUSED, variants=6)
        assert caught.value.code == "quota_exceeded"
        assert desk.place(with_variables=REFUSED).items

    def test_returns_the_same_order_for_the_same_key(
        self, desk: Desk, refused: RefusalRecord
    ) -> None:
        refusals.override(refused, clara(desk))
        job = desk.place(with_variables=REFUSED, idempotency_key="spring")
        assert desk.place(with_variables=REFUSED, idempotency_key="spring") == job

    def test_is_gone_with_an_erased_persons_words(self, desk: Desk, refused: RefusalRecord) -> None:
        refusals.override(refused, clara(desk))
        steward = person(desk.brand_id, Role.DATA_STEWARD)
        ledger.erase_person(
            actor=steward, person_id=desk.marketer.id, brand_id=desk.brand_id, now=NOW
        )
        refusals.of_order(desk)


class TestAnOverturnedImage:
    def test_goes_into_review_and_no_further(self, shop: make.Shop) -> None:
        refusal, item = refusals.of_image(shop)
        opened = refusals.appeal(refusal, shop.marketer)
        refusals.decide(opened, shop.team.compliance_reviewer)
        assert refusals.state_of(item) == "in_review"
        case = cases.find_case_for_subject(refusal.subject_id)
        override = selectors.find_override(SYSTEM, refusal.id)
        assert case is not None
        assert override is not None
        assert case.state == "open"
        assert (case.pins["refusal_id"], case.pins["override_id"]) == (
            str(refusal.id),
            str(override.id),
        )
        assert "generation.item.overturned" in events(refusal.subject_id)
        assert set(shop.balances().values()) == {(0, 1)}

    def test_needs_an_override(self, shop: make.Shop) -> None:
        refusal, item = refusals.of_image(shop)
        with pytest.raises(NotOverridden):
            overturn_refusal(actor=SYSTEM, refusal_id=refusal.id, now=NOW)
        assert refusals.state_of(item) == "refused"

    def test_stays_refused_when_the_appeal_is_lost(self, shop: make.Shop) -> None:
        refusal, item = refusals.of_image(shop)
        refusals.decide(refusals.appeal(refusal), shop.team.compliance_reviewer, "uphold")
        assert refusals.state_of(item) == "refused"
        assert cases.find_case_for_subject(refusal.subject_id) is None

    def test_is_not_decided_by_its_templates_author(self, shop: make.Shop) -> None:
        refusal, item = refusals.of_image(shop)
        (author,) = cases.contributors(refusal.subject_id) - {shop.marketer.id}
        reviewer = Actor(author, roles=shop.team.compliance_reviewer.roles)
        with pytest.raises(errors.HadAPart):
            refusals.override(refusal, reviewer)
        assert refusals.state_of(item) == "refused"

    def test_that_a_person_refused_is_decided_by_another(self, shop: make.Shop) -> None:
        ordered = shop.order().items[0]
        make.finish(make.claimed(ordered), "hold")
        make.services.resolve_hold(
            actor=shop.team.compliance_reviewer,
            item_id=ordered.id,
            accept=False,
            reason="A face.",
            now=NOW,
        )
        refusal = selectors.list_refusals(SYSTEM)[0]
        opened = refusals.appeal(refusal, shop.marketer)
        with pytest.raises(errors.HadAPart):
            refusals.decide(opened, shop.team.compliance_reviewer)
        assert selectors.list_appeals(shop.team.compliance_reviewer, decidable=True) == ()
        other = person(shop.brand_id, Role.COMPLIANCE_REVIEWER)
        assert refusals.decide(opened, other).state == "overturned"
        assert shop.item(ordered.id).state == "in_review"

    def test_leaves_the_appeal_open_where_no_case_can_be_opened(
        self, shop: make.Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusal, item = refusals.of_image(shop)
        opened = refusals.appeal(refusal, shop.marketer)

        def no_policy(**_: object) -> None:
            raise NoPolicy("This brand has no approved review policy.")

        monkeypatch.setattr(review_services, "open_case", no_policy)
        with pytest.raises(NoPolicy):
            refusals.decide(opened, shop.team.compliance_reviewer)
        assert selectors.get_appeal(SYSTEM, opened.id).state == "open"
        assert not Override.objects.exists()
        assert refusals.state_of(item) == "refused"
        assert events(opened.id)[-1] == "refusals.appeal.attempt_refused"


@pytest.mark.django_db(transaction=True)
class TestInTheSameSecond:
    def test_two_deciders_make_one_decision(self, transactional_db: None) -> None:
        desk = orders.desk()
        opened = refusals.appeal(refusals.of_order(desk))
        other = person(desk.brand_id, Role.COMPLIANCE_REVIEWER)
        done, failed = at_once(
            lambda: refusals.decide(opened, clara(desk), "uphold"),
            lambda: refusals.decide(opened, other),
        )
        assert (len(done), [error.code for error in failed]) == (1, ["appeal_closed"])
        assert events(opened.id).count("refusals.appeal.attempt_refused") == 1

    def test_an_override_and_an_appeal_do_not_pass_each_other(self, transactional_db: None) -> None:
        desk = orders.desk()
        refusal = refusals.of_order(desk)
        done, failed = at_once(
            lambda: refusals.override(refusal, clara(desk)), lambda: refusals.appeal(refusal)
        )
        assert len(done) == 1
        assert [error.code for error in failed] in (["already_overridden"], ["appeal_exists"])

    def test_two_orders_use_one_pass_once(self, transactional_db: None) -> None:
        desk = orders.desk()
        refusals.override(refusals.of_order(desk), clara(desk))
        place = lambda: desk.place(with_variables=REFUSED)  # noqa: E731
        done, failed = at_once(place, place)
        assert (len(done), [error.code for error in failed]) == (1, ["order_refused"])
        assert PassUse.objects.count() == 1


def at_once(*acts: Callable[[], Any]) -> tuple[list[Any], list[DomainError]]:
    """Run each act in a thread with a connection of its own, all from one barrier."""
    barrier = threading.Barrier(len(acts), timeout=20)
    done: list[Any] = []
    failed: list[DomainError] = []

    def run(act: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            done.append(act())
        except DomainError as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done, failed
