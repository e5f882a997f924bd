"""Nothing rests on a picture without rights that somebody else confirmed and that hold now."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.rights import services
from tests.factories import jobs, review
from tests.factories.pictures import NOW, SOON, Studio, statement, with_people
from tests.promises import attacks
from tests.promises.attacks import (
    Attack,
    bound,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    replace,
)

TABLE, USE, PICTURE = "rights_rightsrecord", "rights_use", "pictures_picture"
LONG_AGO = NOW - timedelta(days=400)
BYTES = ("subject_id", "sha256", "brand_id")


class Scene:
    """A picture in force and used, one that waits, one withdrawn, one that ended, one to come."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.studio = studio = Studio()
        self.used = studio.picture("red", statement(expires_at=SOON))
        self.waiting = studio.picture("green", with_people())
        self.confirmed = studio.picture("blue", with_people())
        studio.confirm(self.confirmed)
        self.withdrawn = studio.picture("black")
        studio.withdraw(self.withdrawn)
        self.to_come = studio.picture("white", statement(valid_from=SOON))
        self.elsewhere = Studio().picture("red")
        self.kept_elsewhere = Studio().picture("yellow")
        services.record_use(
            actor=studio.marketer,
            subject=SubjectRef("picture", self.used.id, studio.brand_id, self.used.sha256),
            used=SubjectRef("job_item", uuid7()),
            now=NOW,
        )
        # What an act needs in the ledger: written by hand it is no act yet.
        for person in (studio.marketer, studio.steward, studio.other_steward):
            self._record(self.waiting.rights.id, person, "confirmed")
            self._record(self.used.rights.id, person, "withdrawn")

    def _record(self, record_id: Any, person: Any, act: str) -> None:
        with transaction.atomic():
            ledger.append(
                actor=person,
                event=f"rights.record.{act}",
                subject=SubjectRef("rights_record", record_id),
                now=NOW,
            )

    def confirm(self, person_id: Any) -> None:
        """Confirm what waits, by hand."""
        values = {"state": "in_force", "confirmed_by": person_id, "confirmed_at": NOW}
        change(TABLE, self.waiting.rights.id, **values)

    def is_confirmed(self, person_id: Any) -> bool:
        return count(TABLE, id=self.waiting.rights.id, confirmed_by=person_id) == 1

    def version(self, picture: Any, **changes: Any) -> dict[str, Any]:
        """Return the row of one more version of a picture's rights, as it is stated."""
        row = copied(TABLE, picture.rights.id) | {"id": self.id.hex, "number": 9}
        row |= {"confirmed_by": None, "confirmed_at": None}
        row |= {"withdrawn_by": None, "withdrawn_at": None, "withdraw_reason": None}
        return row | changes

    def restate(self, picture: Any, **changes: Any) -> None:
        """Put one more version in the place of the one that stood, as whoever writes rights may."""
        change(TABLE, picture.rights.id, state="replaced")
        insert(TABLE, **self.version(picture, **{"state": "waiting"} | changes))

    def use(self, picture: Any, **changes: Any) -> None:
        """Let something rest on a picture, by hand."""
        facts = {"record_id": picture.rights.id, "subject_id": picture.id}
        facts |= {"sha256": picture.sha256, "brand_id": picture.brand_id}
        facts |= {"id": self.id, "created_at": NOW, "used_kind": "job_item", "used_id": self.id}
        insert(USE, **facts | {"used_by": self.id} | changes)

    def other_picture(self) -> dict[str, Any]:
        """Return the row of one more picture, of bytes that are kept."""
        row = copied(PICTURE, self.used.id) | {"id": self.id.hex, "received_sha256": "1" * 64}
        return row | {"subject_id": self.id.hex, "sha256": self.kept_elsewhere.sha256}

    def take_in(self, **changes: Any) -> None:
        """Register one more picture's bytes and take them in, by hand."""
        row = self.other_picture() | changes
        subject = copied("review_subject", self.used.id)
        insert("review_subject", **subject | {"id": self.id.hex, "sha256": row["sha256"]})
        if connection.vendor == "sqlite":
            replace(PICTURE, key="id", **row)
        else:
            insert(PICTURE, **row)


def is_there(table: str) -> Any:
    return lambda s: count(table, id=s.id) == 1


def state_of(picture: str, state: str) -> Any:
    return lambda s: copied(TABLE, getattr(s, picture).rights.id)["state"] == state


CONFIRMING: tuple[Attack[Scene], ...] = (
    Attack(
        "confirm the rights in one's own picture",
        [constraint(TABLE, "rights_confirmed_by_another"), "rights_record_confirmed_by_another"],
        lambda s: s.confirm(s.studio.marketer.id),
        lambda s: s.is_confirmed(s.studio.marketer.id),
    ),
    Attack(
        "confirm without a trace",
        ["rights_record_confirmation_recorded"],
        lambda s: s.confirm(s.id),
        lambda s: s.is_confirmed(s.id),
    ),
    Attack(
        "bring what shows people into force without anybody",
        [
            constraint(TABLE, "rights_with_people_are_confirmed"),
            "rights_record_confirmed_by_another",
            "rights_record_confirmation_recorded",
        ],
        lambda s: change(TABLE, s.waiting.rights.id, state="in_force"),
        state_of("waiting", "in_force"),
    ),
    Attack(
        "put another's name under a confirmation",
        ["rights_record_confirmed_once"],
        lambda s: change(TABLE, s.confirmed.rights.id, confirmed_by=s.id),
        lambda s: count(TABLE, id=s.confirmed.rights.id, confirmed_by=s.id) == 1,
    ),
    Attack(
        "state rights that are confirmed already",
        ["rights_record_begins"],
        lambda s: s.restate(s.waiting, confirmed_by=s.id.hex, confirmed_at=NOW),
        is_there(TABLE),
    ),
    Attack(
        "state rights in people as in force",
        ["rights_record_waits", constraint(TABLE, "rights_with_people_are_confirmed")],
        lambda s: s.restate(s.waiting, state="in_force"),
        is_there(TABLE),
    ),
    Attack(
        "leave the people out, to have it in force",
        ["rights_record_waits"],
        lambda s: s.restate(s.waiting, state="in_force", people_shown="none"),
        is_there(TABLE),
    ),
    Attack(
        "bring a withdrawn picture back by stating its rights anew",
        ["rights_record_waits"],
        lambda s: s.restate(s.withdrawn, state="in_force"),
        is_there(TABLE),
    ),
)

KEEPING: tuple[Attack[Scene], ...] = (
    Attack(
        "make the rights last longer",
        [f"{TABLE}_frozen"],
        lambda s: change(TABLE, s.used.rights.id, expires_at=None),
        lambda s: copied(TABLE, s.used.rights.id)["expires_at"] is None,
    ),
    Attack(
        "bring withdrawn rights back",
        ["rights_record_moves", constraint(TABLE, "rights_withdrawn_with_a_reason")],
        lambda s: change(TABLE, s.withdrawn.rights.id, state="in_force"),
        state_of("withdrawn", "in_force"),
    ),
    Attack(
        "forget who withdrew them",
        ["rights_record_withdrawn_once"],
        lambda s: change(TABLE, s.withdrawn.rights.id, withdrawn_by=s.id),
        lambda s: count(TABLE, id=s.withdrawn.rights.id, withdrawn_by=s.id) == 1,
    ),
    Attack(
        "withdraw without a trace",
        ["rights_record_withdrawal_recorded"],
        lambda s: change(
            TABLE,
            s.used.rights.id,
            state="withdrawn",
            withdrawn_by=s.id,
            withdrawn_at=NOW,
            withdraw_reason=copied(TABLE, s.withdrawn.rights.id)["withdraw_reason"],
        ),
        state_of("used", "withdrawn"),
    ),
    Attack(
        "withdraw without a reason",
        [constraint(TABLE, "rights_withdrawn_with_a_reason")],
        lambda s: change(
            TABLE,
            s.used.rights.id,
            state="withdrawn",
            withdrawn_by=s.studio.steward.id,
            withdrawn_at=NOW,
        ),
        state_of("used", "withdrawn"),
    ),
    Attack(
        "let a second version stand beside the first",
        ["rights_record_alone", constraint(TABLE, "rights_one_version_stands")],
        lambda s: insert(TABLE, **s.version(s.used)),
        is_there(TABLE),
    ),
    Attack(
        "put another version in its place",
        ["rights_record_once", "rights_record_alone"],
        lambda s: replace(TABLE, key="id", **s.version(s.to_come, number=1)),
        is_there(TABLE),
        vendor="sqlite",
    ),
    Attack(
        "state rights in bytes that nobody registered",
        [bound(TABLE, *BYTES)],
        lambda s: insert(TABLE, **s.version(s.used, subject_id=s.id.hex)),
        is_there(TABLE),
    ),
    Attack(
        "state rights without consent",
        [constraint(TABLE, "rights_with_people_have_consent")],
        lambda s: s.restate(s.waiting, consent=None),
        is_there(TABLE),
    ),
    Attack(
        "permit biometric use",
        [constraint(TABLE, "rights_never_biometric")],
        lambda s: s.restate(s.waiting, biometric_use=True),
        is_there(TABLE),
    ),
    Attack(
        "forget the rights",
        [f"{TABLE}_never_deleted"],
        lambda s: delete(TABLE, s.waiting.rights.id),
        lambda s: count(TABLE, id=s.waiting.rights.id) == 0,
    ),
)

USING: tuple[Attack[Scene], ...] = (
    Attack(
        "use a picture whose rights nobody confirmed",
        ["rights_use_of_what_is_usable"],
        lambda s: s.use(s.waiting),
        is_there(USE),
    ),
    Attack(
        "use a picture whose rights were withdrawn",
        ["rights_use_of_what_is_usable"],
        lambda s: s.use(s.withdrawn),
        is_there(USE),
    ),
    Attack(
        "use a picture before its rights begin",
        ["rights_use_of_what_is_usable"],
        lambda s: s.use(s.to_come),
        is_there(USE),
    ),
    Attack(
        "use other bytes under the rights of these",
        ["rights_use_of_what_is_usable"],
        lambda s: s.use(s.used, sha256="0" * 64),
        is_there(USE),
    ),
    Attack(
        "use another brand's picture",
        ["rights_use_of_what_is_usable"],
        lambda s: s.use(s.elsewhere, brand_id=s.studio.brand_id),
        is_there(USE),
    ),
    Attack(
        "use a picture that has no rights under those of another",
        ["rights_use_of_what_is_usable"],
        lambda s: s.use(s.waiting, record_id=s.used.rights.id),
        is_there(USE),
    ),
    Attack(
        "name a use once more, in place of the first",
        ["rights_use_once"],
        lambda s: replace(USE, key="id", **a_use(s) | {"id": s.id.hex}),
        is_there(USE),
        vendor="sqlite",
    ),
    Attack(
        "forget what rests on a picture",
        [f"{USE}_append_only"],
        lambda s: delete(USE, a_use(s)["id"]),
        lambda s: count(USE, subject_id=s.used.id) == 0,
    ),
)


def a_use(scene: Scene) -> dict[str, Any]:
    """Return the row of what rests on the picture in force."""
    return copied(USE, scene.used.id, key="subject_id")


PICTURES: tuple[Attack[Scene], ...] = (
    Attack(
        "say that another file came",
        [f"{PICTURE}_append_only"],
        lambda s: change(PICTURE, s.used.id, received_sha256="0" * 64),
        lambda _: count(PICTURE, received_sha256="0" * 64) == 1,
    ),
    Attack(
        "take the same pixels in once more, in place of the first",
        ["pictures_picture_once"],
        lambda s: s.take_in(sha256=s.to_come.sha256),
        is_there(PICTURE),
        vendor="sqlite",
    ),
    Attack(
        "take the same file in once more, in place of the first",
        ["pictures_picture_received_once"],
        lambda s: s.take_in(received_sha256=s.to_come.received_sha256),
        is_there(PICTURE),
        vendor="sqlite",
    ),
    Attack(
        "take in bytes that nobody registered",
        [bound(PICTURE, *BYTES)],
        lambda s: insert(PICTURE, **s.other_picture()),
        is_there(PICTURE),
    ),
    Attack(
        "take in bytes that nobody keeps",
        [bound(PICTURE, "sha256")],
        lambda s: s.take_in(sha256="0" * 64),
        is_there(PICTURE),
    ),
    Attack(
        "take in a small image that nobody keeps",
        [bound(PICTURE, "preview_sha256")],
        lambda s: s.take_in(preview_sha256="0" * 64),
        is_there(PICTURE),
    ),
)


@pytest.fixture
def scene(settings: Any, tmp_path: Path) -> Scene:
    review.use_sealing_key(settings, tmp_path)
    jobs.use_blobs(settings, tmp_path / "blobs")
    return Scene()


@pytest.mark.django_db(transaction=True)
def test_attacks_are_refused_and_only_their_guards_refuse_them(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    attacks.play((*CONFIRMING, *KEEPING, *USING, *PICTURES), scene, subtests)
