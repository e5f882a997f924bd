"""Nothing is made under a licence that one person alone put on record, or that changed since."""

from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.licences import services
from governance.sealing import keys
from tests.factories import jobs
from tests.factories import licences as make
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

TABLE = "licences_licence"


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    settings.SEALING_KEY_FILE = tmp_path / "kek"
    keys.make_sealing_key(settings.SEALING_KEY_FILE)


class Scene:
    """A licence that waits for agreement, one that has it, and one that was retired."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.proposer, self.other = platform_admin(), platform_admin()
        self.waiting = services.propose_licence(
            actor=self.proposer, **make.facts(identifier="LicenseRef-waiting")
        )
        self.agreed = make.agreed("LicenseRef-agreed")
        self.retired = make.agreed("LicenseRef-retired")
        services.retire_licence(actor=self.other, licence_id=self.retired.id, now=NOW)
        refused = make.proposed(identifier="LicenseRef-refused")
        self.refused = services.retire_licence(actor=self.other, licence_id=refused.id, now=NOW)
        # What an agreement needs in the ledger: written by hand it is no agreement yet.
        for licence in (self.waiting, self.refused):
            for actor in (self.proposer, self.other):
                self._record(licence.id, actor)

    def _record(self, licence_id: Any, actor: Any) -> None:
        with transaction.atomic():
            ledger.append(
                actor=actor,
                event="licences.licence.agreed",
                subject=SubjectRef("licence", licence_id),
                now=NOW,
            )

    def agree(self, licence_id: Any, person_id: Any) -> None:
        change(TABLE, licence_id, approved_by=person_id, approved_at=NOW)

    def copy(self, **changes: Any) -> dict[str, Any]:
        return {**copied(TABLE, self.agreed.id), **changes}


def is_agreed(scene: Scene, licence_id: Any, person_id: Any) -> bool:
    return count(TABLE, id=licence_id, approved_by=person_id) == 1


ATTACKS: tuple[Attack[Scene], ...] = (
    Attack(
        "agree to one's own proposal",
        [constraint(TABLE, "licence_approved_by_another")],
        lambda s: s.agree(s.waiting.id, s.proposer.id),
        lambda s: is_agreed(s, s.waiting.id, s.proposer.id),
    ),
    Attack(
        "agree without a trace",
        ["licences_licence_agreement_recorded"],
        lambda s: s.agree(s.waiting.id, s.id),
        lambda s: is_agreed(s, s.waiting.id, s.id),
    ),
    Attack(
        "agree to what was retired",
        ["licences_licence_agreement_recorded"],
        lambda s: s.agree(s.refused.id, s.other.id),
        lambda s: (
            count(TABLE, id=s.refused.id, approved_by=s.other.id) == 1
            and s.refused.agreed_by is None
        ),
    ),
    Attack(
        "put another's name under an agreement",
        ["licences_licence_agreed_once"],
        lambda s: change(TABLE, s.agreed.id, approved_by=s.id),
        lambda s: is_agreed(s, s.agreed.id, s.id),
    ),
    Attack(
        "take an agreement back",
        ["licences_licence_agreed_once"],
        lambda s: change(TABLE, s.agreed.id, approved_by=None, approved_at=None),
        lambda s: count(TABLE, id=s.agreed.id, approved_by=s.agreed.agreed_by) == 0,
    ),
    Attack(
        "record an agreed licence at once",
        ["licences_licence_opens_proposed"],
        lambda s: insert(TABLE, **s.copy(id=s.id.hex, identifier="LicenseRef-own")),
        lambda s: count(TABLE, id=s.id) == 1,
    ),
    Attack(
        "permit more afterwards",
        ["licences_licence_frozen"],
        lambda s: change(TABLE, s.agreed.id, purposes='["commercial", "research"]'),
        lambda s: "research" in str(copied(TABLE, s.agreed.id)["purposes"]),
    ),
    Attack(
        "change the text afterwards",
        ["licences_licence_frozen"],
        lambda s: change(TABLE, s.agreed.id, text=b"Anything goes."),
        lambda s: bytes(copied(TABLE, s.agreed.id)["text"]) == b"Anything goes.",
    ),
    Attack(
        "bring a retired licence back",
        ["licences_licence_retired_once"],
        lambda s: change(TABLE, s.retired.id, retired_at=None, retired_by=None),
        lambda s: copied(TABLE, s.retired.id)["retired_at"] is None,
    ),
    Attack(
        "delete a licence",
        ["licences_licence_never_deleted"],
        lambda s: delete(TABLE, s.agreed.id),
        lambda s: count(TABLE, id=s.agreed.id) == 0,
    ),
    Attack(
        "replace a licence by its id",
        ["licences_licence_never_deleted", "licences_licence_opens_proposed"],
        lambda s: replace(TABLE, key="id", **s.copy(purposes='["research"]', number=2)),
        lambda s: copied(TABLE, s.agreed.id)["purposes"] == '["research"]',
        vendor="sqlite",
    ),
    Attack(
        "replace a licence by its number",
        ["licences_licence_once"],
        lambda s: replace(
            TABLE, key="id", **s.copy(id=s.id.hex, approved_by=None, approved_at=None)
        ),
        lambda s: count(TABLE, id=s.id) == 1,
        vendor="sqlite",
    ),
)


@pytest.mark.django_db(transaction=True)
def test_attacks_are_refused_and_only_their_guards_refuse_them(subtests: pytest.Subtests) -> None:
    attacks.play(ATTACKS, Scene(), subtests)


PROFILE = "registry_modelprofile"
PROFILES: tuple[Attack[dict[str, Any]], ...] = (
    Attack(
        "a profile under a licence that nobody knows",
        ["registry_modelprofile_licence_on_record"],
        lambda row: insert(PROFILE, **row),
        lambda row: count(PROFILE, id=row["id"]) == 1,
    ),
)


@pytest.mark.django_db(transaction=True)
def test_a_profile_names_no_licence_that_is_not_on_record(subtests: pytest.Subtests) -> None:
    profile = jobs.profile()
    row = copied(PROFILE, profile.id) | {"id": uuid7().hex, "number": 2, "licence_id": uuid7().hex}
    attacks.play(PROFILES, row, subtests)
    del row["licence_id"]
    with pytest.raises(DatabaseError), transaction.atomic():
        insert(PROFILE, **row)
