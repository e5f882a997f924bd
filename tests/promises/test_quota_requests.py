"""Asking for more stays an approval: nobody grants to themselves, nor more, nor twice; in SQL."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.quota import selectors
from governance.quota.models import Account, Entry
from governance.quota.records import RequestRecord
from governance.sealing import keys
from governance.sealing import services as sealing
from tests.factories.quota import NOW, PERIOD
from tests.factories.quota_requests import Office
from tests.promises import attacks
from tests.promises.attacks import (
    Attack,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    replace,
)

REQUEST, ENTRY = "quota_request", "quota_entry"


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    settings.SEALING_KEY_FILE = tmp_path / "kek"
    keys.make_sealing_key(settings.SEALING_KEY_FILE)


class Scene:
    """An open request with its account, one that was declined, and one for the brand's account."""

    def __init__(self) -> None:
        self.id, self.other_id = uuid7(), uuid7()
        self.office = Office()
        self.office.grant(self.office.ask(amount=5))
        self.declined = self.office.decline(self.office.ask(amount=6))
        self.closed = self.office.decline(self.office.ask(holder_kind="model", holder_id=uuid7()))
        self.open = self.office.ask(amount=7)
        self.brands = self.office.ask(holder_kind="brand", holder_id=self.office.brand_id, amount=7)
        self.own = Account.objects.get(holder_kind="user")
        self.shared = Account.objects.create(
            created_at=NOW,
            holder_kind="brand",
            holder_id=self.office.brand_id,
            brand_id=self.office.brand_id,
            period=PERIOD,
        )
        self.text = sealing.seal(
            person_id=self.office.admin.id, text="No.", purpose=selectors.ANSWER_PURPOSE
        )

    def enter(self, request: RequestRecord, **changes: Any) -> None:
        """Insert a grant that names a request, with the ledger entry that each grant needs."""
        account = changes.pop("account", self.own)
        granted_by = changes.pop("granted_by", self.office.admin)
        insert(
            ENTRY,
            **{
                "id": self.id,
                "created_at": NOW,
                "account_id": account.id,
                "number": account.entries + 1,
                "kind": "grant",
                "amount": 7,
                "granted_by": granted_by.id,
                "recorded_as": self._record(account, granted_by),
                "request_id": request.id,
                "gpu_ms": 0,
                **changes,
            },
        )

    def _record(self, account: Account, person: Actor) -> UUID:
        return ledger.append(
            actor=person,
            event="quota.account.granted",
            subject=SubjectRef("quota_account", account.id, self.office.brand_id),
            now=NOW,
        )

    def enter_twice(self) -> None:
        self.enter(self.open, amount=3)
        self.enter(self.open, amount=3, id=self.other_id, number=self.own.entries + 2)

    def decide(self, request: RequestRecord, state: str, **changes: Any) -> None:
        """Update a request as a decision does."""
        facts = {"decided_by": self.office.admin.id, "decided_at": NOW, **changes}
        change(REQUEST, request.id, state=state, **facts)

    def is_entered(self) -> bool:
        return count(ENTRY, id=self.id) == 1

    def is_new(self) -> bool:
        return count(REQUEST, id=self.id) == 1

    def stands(self, request: RequestRecord, state: str) -> bool:
        return count(REQUEST, id=request.id, state=state) == 1

    def copy(self, **changes: Any) -> dict[str, Any]:
        return {**copied(REQUEST, self.open.id), **changes}


ANSWERS = "quota_entry_answers_its_request"
AGREES = "quota_request_agrees_with_its_grant"
DECIDED_BY_ANOTHER = constraint(REQUEST, "request_decided_by_another")
FINAL = ["quota_request_moves", "quota_request_decision_final"]
GRANTS: tuple[Attack[Scene], ...] = (
    Attack(
        "grant one's own request",
        [ANSWERS],
        lambda s: s.enter(s.brands, granted_by=s.office.marketer, account=s.shared),
        Scene.is_entered,
    ),
    Attack(
        "grant more than was asked",
        [ANSWERS],
        lambda s: s.enter(s.open, amount=8),
        Scene.is_entered,
    ),
    Attack(
        "grant to an account that was not asked for",
        [ANSWERS],
        lambda s: s.enter(s.brands),
        Scene.is_entered,
    ),
    Attack(
        "answer a request that was declined",
        [ANSWERS],
        lambda s: s.enter(s.declined, amount=6),
        Scene.is_entered,
    ),
    Attack(
        "answer a request that nobody made",
        [ANSWERS],
        lambda s: s.enter(s.open, request_id=s.other_id),
        Scene.is_entered,
    ),
    Attack(
        "answer a request twice",
        [constraint(ENTRY, "entry_answers_a_request_once")],
        Scene.enter_twice,
        lambda s: count(ENTRY, request_id=s.open.id) == 2,
        vendor="postgresql",
    ),
    Attack(
        "answer a request twice",
        [constraint(ENTRY, "entry_answers_a_request_once"), "quota_entry_once"],
        Scene.enter_twice,
        lambda s: count(ENTRY, request_id=s.open.id) == 2,
        vendor="sqlite",
    ),
)
DECISIONS: tuple[Attack[Scene], ...] = (
    Attack(
        "call it granted without a grant",
        [AGREES],
        lambda s: s.decide(s.open, "granted", granted=7),
        lambda s: s.stands(s.open, "granted"),
    ),
    Attack(
        "call it granted with another amount",
        [AGREES],
        lambda s: (s.enter(s.open, amount=3), s.decide(s.open, "granted", granted=7)),
        lambda s: s.stands(s.open, "granted"),
    ),
    Attack(
        "call it granted by somebody else",
        [AGREES],
        lambda s: (
            s.enter(s.open),
            s.decide(s.open, "granted", granted=7, decided_by=s.office.manager.id),
        ),
        lambda s: s.stands(s.open, "granted"),
    ),
    Attack(
        "decline what was granted",
        [AGREES],
        lambda s: (s.enter(s.open), s.decide(s.open, "declined", answer=s.text)),
        lambda s: s.stands(s.open, "declined"),
    ),
    Attack(
        "decide about one's own request",
        [DECIDED_BY_ANOTHER],
        lambda s: s.decide(s.open, "declined", answer=s.text, decided_by=s.office.marketer.id),
        lambda s: s.stands(s.open, "declined"),
    ),
    Attack(
        "withdraw somebody else's request",
        [DECIDED_BY_ANOTHER],
        lambda s: s.decide(s.open, "withdrawn"),
        lambda s: s.stands(s.open, "withdrawn"),
    ),
    Attack(
        "decline without a reason",
        [constraint(REQUEST, "request_declined_with_a_reason")],
        lambda s: s.decide(s.open, "declined"),
        lambda s: s.stands(s.open, "declined"),
    ),
    Attack(
        "open a decided request again",
        FINAL,
        lambda s: s.decide(s.closed, "open", decided_by=None, decided_at=None, answer=None),
        lambda s: s.stands(s.closed, "open"),
    ),
    Attack(
        "grant a declined request",
        FINAL,
        lambda s: s.decide(s.declined, "granted", granted=6),
        lambda s: s.stands(s.declined, "granted"),
    ),
    Attack(
        "rewrite the answer",
        ["quota_request_decision_final"],
        lambda s: change(REQUEST, s.declined.id, answer=s.text),
        lambda s: bytes(copied(REQUEST, s.declined.id)["answer"]) == s.text,
    ),
    Attack(
        "raise what was asked",
        ["quota_request_frozen"],
        lambda s: change(REQUEST, s.open.id, amount=1000),
        lambda s: count(REQUEST, id=s.open.id, amount=1000) == 1,
    ),
    Attack(
        "forge who asked",
        ["quota_request_frozen"],
        lambda s: change(REQUEST, s.open.id, requested_by=s.id),
        lambda s: count(REQUEST, id=s.open.id, requested_by=s.id) == 1,
    ),
    Attack(
        "delete a request",
        ["quota_request_never_deleted"],
        lambda s: delete(REQUEST, s.open.id),
        lambda s: not s.stands(s.open, "open"),
    ),
    Attack(
        "record a withdrawn request that was never open",
        ["quota_request_opens_open"],
        lambda s: insert(
            REQUEST,
            **s.copy(
                id=s.id,
                state="withdrawn",
                decided_by=s.office.marketer.id,
                decided_at=NOW,
            ),
        ),
        Scene.is_new,
    ),
    Attack(
        "ask twice at a time",
        [constraint(REQUEST, "request_open_once")],
        lambda s: insert(REQUEST, **s.copy(id=s.id)),
        Scene.is_new,
        vendor="postgresql",
    ),
    Attack(
        "ask twice at a time",
        [constraint(REQUEST, "request_open_once"), "quota_request_once"],
        lambda s: insert(REQUEST, **s.copy(id=s.id)),
        Scene.is_new,
        vendor="sqlite",
    ),
    Attack(
        "replace a request by its key",
        ["quota_request_once"],
        lambda s: replace(REQUEST, key="id", **s.copy(id=s.id, amount=1000)),
        Scene.is_new,
        vendor="sqlite",
    ),
    Attack(
        "replace a request by its id",
        ["quota_request_never_deleted", "quota_request_once"],
        lambda s: replace(REQUEST, key="id", **s.copy(amount=1000)),
        lambda s: count(REQUEST, id=s.open.id, amount=1000) == 1,
        vendor="sqlite",
    ),
)


@pytest.mark.django_db(transaction=True)
class TestAttacks:
    def test_on_the_grant_are_refused(self, subtests: pytest.Subtests) -> None:
        attacks.play(GRANTS, Scene(), subtests)

    def test_on_the_decision_are_refused(self, subtests: pytest.Subtests) -> None:
        attacks.play(DECISIONS, Scene(), subtests)

    def test_have_a_lawful_twin_that_passes(self) -> None:
        scene = Scene()
        with transaction.atomic():
            scene.enter(scene.open)
            scene.decide(scene.open, "granted", granted=7)
        assert scene.stands(scene.open, "granted")
        assert selectors.check_books() == []
        assert Entry.objects.get(request_id=scene.open.id).amount == 7
