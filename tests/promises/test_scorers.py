"""No scorer counts that one person alone put on record, or that changed since."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from generation.registry import services
from generation.registry.records import ScorerCard
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.licences import services as licences
from tests.factories import licences as make_licence
from tests.factories import scorers as make
from tests.factories.quota import NOW, platform_admin
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

TABLE, CARD = "registry_scorerprofile", "registry_scorercard"


class Scene:
    """A scorer that waits for approval, one that has it, one stranded and one retired.

    `other` has written the approval of all of them into the ledger: what an approval needs there.
    """

    def __init__(self) -> None:
        self.id, self.nobody = uuid7(), uuid7()
        self.admin = platform_admin()
        self.other = self.admin.id
        agreed = make_licence.agreed("LicenseRef-agreed").id
        self.waiting = make.proposed(licence_id=agreed)
        self.approved = make.approved(licence_id=agreed, scorer="gore")
        ended = make_licence.agreed("LicenseRef-ended").id
        self.stranded = make.proposed(licence_id=ended, scorer="weapons")
        licences.retire_licence(actor=platform_admin(), licence_id=ended, now=NOW)
        self.retired = make.proposed(licence_id=agreed, scorer="fire")
        services.retire_scorer(actor=self.admin, scorer_id=self.retired.id, now=NOW)
        told = ScorerCard(
            scorer="gore",
            version="1",
            title="Gore",
            higher_is="worse",
            low=0.0,
            high=1.0,
            inputs=("image",),
            cost_ms=5.0,
            licence="CC0-1.0",
            weights_sha256=None,
            package="",
        )
        services.record_scorer_cards(actor=SYSTEM, cards=[told], now=NOW)
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM registry_scorercard")
            self.card = UUID(str(cursor.fetchone()[0]))
        for made in (self.waiting, self.approved, self.stranded, self.retired):
            self._say_approved(made.id, self.admin)
        self._say_approved(self.waiting.id, Actor(id=self.waiting.proposed_by))

    def _say_approved(self, scorer_id: UUID, actor: Actor) -> None:
        with transaction.atomic():
            ledger.append(
                actor=actor,
                event=Event.REGISTRY_SCORER_APPROVED,
                subject=SubjectRef("scorer_profile", scorer_id, sha256="a" * 64),
                now=NOW,
                facts={},
            )

    def copy(self, **changes: Any) -> dict[str, Any]:
        """Return the waiting row as a new one."""
        return copied(TABLE, self.waiting.id) | {"id": self.id.hex, "number": 9} | changes

    def approval(self, by: UUID | None = None) -> dict[str, Any]:
        """Return what an approval by somebody else sets."""
        return {"approved_by": by or self.other, "approved_at": NOW}


ATTACKS: tuple[Attack[Scene], ...] = (
    *(
        Attack(
            f"change the {column}",
            [f"{TABLE}_frozen"],
            lambda s, column=column: change(TABLE, s.approved.id, **{column: "other"}),
            lambda _, column=column: count(TABLE, **{column: "other"}) == 1,
        )
        for column in ("folder", "snapshot_sha256", "kind", "version", "higher_is", "licence")
    ),
    Attack(
        "delete one",
        [f"{TABLE}_never_deleted"],
        lambda s: delete(TABLE, s.waiting.id),
        lambda s: count(TABLE, id=s.waiting.id) == 0,
    ),
    Attack(
        "put one on record under a licence that nobody knows",
        [f"{TABLE}_licence_on_record"],
        lambda s: insert(TABLE, **s.copy(licence_id=s.other.hex)),
        lambda s: count(TABLE, id=s.id) == 1,
    ),
    Attack(
        "put one on record that is approved already",
        [f"{TABLE}_opens_proposed"],
        lambda s: insert(TABLE, **s.copy(approved_by=s.other.hex, approved_at=NOW)),
        lambda s: count(TABLE, id=s.id) == 1,
    ),
    Attack(
        "approve one's own",
        [constraint(TABLE, "scorer_approved_by_another")],
        lambda s: change(TABLE, s.waiting.id, approved_by=s.waiting.proposed_by, approved_at=NOW),
        lambda s: count(TABLE, approved_by=s.waiting.proposed_by) == 1,
    ),
    Attack(
        "approve one under a licence that ended",
        [f"{TABLE}_licence_agreed"],
        lambda s: change(TABLE, s.stranded.id, **s.approval()),
        lambda s: count(TABLE, approved_by=s.other) == 1,
    ),
    Attack(
        "approve one that the ledger knows of no approval of",
        [f"{TABLE}_approval_recorded"],
        lambda s: change(TABLE, s.waiting.id, **s.approval(s.nobody)),
        lambda s: count(TABLE, approved_by=s.nobody) == 1,
    ),
    Attack(
        "approve one that was retired",
        [f"{TABLE}_approval_recorded"],
        lambda s: change(TABLE, s.retired.id, **s.approval()),
        lambda s: count(TABLE, approved_by=s.other) == 1,
    ),
    Attack(
        "approve one twice",
        [f"{TABLE}_approved_once"],
        lambda s: change(TABLE, s.approved.id, **s.approval()),
        lambda s: count(TABLE, approved_by=s.other) == 1,
    ),
    Attack(
        "bring one back that was retired",
        [f"{TABLE}_retired_once"],
        lambda s: change(TABLE, s.retired.id, retired_at=None),
        lambda s: count(TABLE, id=s.retired.id, retired_at=NOW) == 0,
    ),
    Attack(
        "put another in the place of one",
        [f"{TABLE}_once"],
        lambda s: replace(TABLE, key="id", **s.copy(number=s.waiting.number)),
        lambda s: count(TABLE, id=s.id) == 1,
        vendor="sqlite",
    ),
    Attack(
        "let a scorer have said something else",
        [f"{CARD}_append_only"],
        lambda s: change(CARD, s.card, higher_is="better"),
        lambda _: count(CARD, higher_is="better") == 1,
    ),
    Attack(
        "forget what a scorer said",
        [f"{CARD}_append_only"],
        lambda s: delete(CARD, s.card),
        lambda s: count(CARD, id=s.card) == 0,
    ),
)


@pytest.mark.django_db(transaction=True)
def test_attacks_are_refused_and_only_their_guards_refuse_them(subtests: pytest.Subtests) -> None:
    attacks.play(ATTACKS, Scene(), subtests)
