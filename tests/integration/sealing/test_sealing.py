"""Sealed text: readable for its purpose only, gone with its key, never stored in the open."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger import selectors
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permits import NotPermitted
from governance.sealing import fields, keys, services
from governance.sealing.errors import KeyExists, KeyMissing, KeyUnsafe, SealBroken
from governance.sealing.models import PersonKey
from tests.integration.ledger.log import NOW, unguarded

TEXT = "Jane Doe, hand on hip – “more sun”"
PURPOSE = "prompts.variables"


@pytest.fixture(autouse=True)
def sealing_key(settings: Any, tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "kek"
    keys.make_sealing_key(path)
    settings.SEALING_KEY_FILE = path
    return path


@pytest.mark.django_db(transaction=True)
class TestSeal:
    def test_hides_the_text_and_reveals_it(self) -> None:
        person_id = uuid7()
        sealed = services.seal(person_id=person_id, text=TEXT, purpose=PURPOSE)
        assert b"Jane" not in sealed
        assert services.reveal(sealed=sealed, purpose=PURPOSE) == TEXT
        assert services.reveal(sealed=memoryview(sealed), purpose=PURPOSE) == TEXT
        again = services.seal(person_id=person_id, text=TEXT, purpose=PURPOSE)
        assert again != sealed
        assert PersonKey.objects.count() == 1

    @pytest.mark.parametrize("text", ["", "x" * 100_000, "\x00\n"])
    def test_takes_any_text(self, text: str) -> None:
        sealed = services.seal(person_id=uuid7(), text=text, purpose=PURPOSE)
        assert services.reveal(sealed=sealed, purpose=PURPOSE) == text

    def test_is_bound_to_its_purpose(self) -> None:
        sealed = services.seal(person_id=uuid7(), text=TEXT, purpose=PURPOSE)
        with pytest.raises(SealBroken):
            services.reveal(sealed=sealed, purpose="review.reason")

    def test_is_bound_to_its_person(self) -> None:
        hers, his = (services.seal(person_id=uuid7(), text=TEXT, purpose=PURPOSE) for _ in range(2))
        with pytest.raises(SealBroken):
            services.reveal(sealed=hers[:17] + his[17:], purpose=PURPOSE)
        first, second = PersonKey.objects.all()
        with unguarded():
            PersonKey.objects.filter(id=first.id).update(wrapped=second.wrapped)
        with pytest.raises(SealBroken):
            services.reveal(sealed=hers, purpose=PURPOSE)

    def test_notices_every_flipped_byte(self) -> None:
        sealed = services.seal(person_id=uuid7(), text="short", purpose=PURPOSE)
        for place in range(len(sealed)):
            spoiled = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
            with pytest.raises(SealBroken):
                services.reveal(sealed=spoiled, purpose=PURPOSE)
        with pytest.raises(SealBroken):
            services.reveal(sealed=sealed[:-1], purpose=PURPOSE)
        with pytest.raises(SealBroken):
            services.reveal(sealed=b"", purpose=PURPOSE)

    def test_needs_the_installation_key(self, sealing_key: Path, settings: Any) -> None:
        sealed = services.seal(person_id=uuid7(), text=TEXT, purpose=PURPOSE)
        sealing_key.chmod(0o644)
        with pytest.raises(KeyUnsafe):
            services.reveal(sealed=sealed, purpose=PURPOSE)
        sealing_key.chmod(0o600)
        sealing_key.write_bytes(b"short")
        with pytest.raises(KeyUnsafe):
            services.reveal(sealed=sealed, purpose=PURPOSE)
        sealing_key.write_bytes(bytes(32))
        with pytest.raises(SealBroken):
            services.reveal(sealed=sealed, purpose=PURPOSE)
        sealing_key.unlink()
        with pytest.raises(KeyMissing):
            services.seal(person_id=uuid7(), text=TEXT, purpose=PURPOSE)

    def test_key_is_never_replaced(self, sealing_key: Path) -> None:
        before = sealing_key.read_bytes()
        with pytest.raises(KeyExists):
            keys.make_sealing_key(sealing_key)
        assert sealing_key.read_bytes() == before
        assert sealing_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
class TestRevealAll:
    def test_opens_each_in_its_place(self) -> None:
        person_id = uuid7()
        texts = ["one", "two", "three"]
        sealed = [
            services.seal(person_id=person_id, text=texts[0], purpose=PURPOSE),
            services.seal(person_id=uuid7(), text=texts[1], purpose=PURPOSE),
            services.seal(person_id=person_id, text=texts[2], purpose=PURPOSE),
        ]
        assert services.reveal_all(sealed=sealed, purpose=PURPOSE) == texts
        assert services.reveal_all(sealed=[], purpose=PURPOSE) == []

    @pytest.mark.parametrize("persons", [1, 7])
    def test_asks_once_however_many(self, persons: int, django_assert_num_queries: Any) -> None:
        sealed = [
            services.seal(person_id=uuid7(), text=TEXT, purpose=PURPOSE) for _ in range(persons)
        ]
        with django_assert_num_queries(1):
            assert services.reveal_all(sealed=sealed, purpose=PURPOSE) == [TEXT] * persons

    def test_leaves_a_gap_where_one_is_erased(self) -> None:
        erased, brand_id = uuid7(), uuid7()
        steward = Actor(id=uuid7(), roles={brand_id: frozenset({Role.DATA_STEWARD})})
        sealed = [
            services.seal(person_id=person_id, text=TEXT, purpose=PURPOSE)
            for person_id in (uuid7(), erased, uuid7())
        ]
        ledger.erase_person(actor=steward, person_id=erased, brand_id=brand_id, now=NOW)
        assert services.reveal_all(sealed=sealed, purpose=PURPOSE) == [TEXT, None, TEXT]

    def test_opens_none_if_one_is_for_another_purpose(self) -> None:
        sealed = [
            services.seal(person_id=uuid7(), text=TEXT, purpose=purpose)
            for purpose in (PURPOSE, "review.reason")
        ]
        with pytest.raises(SealBroken):
            services.reveal_all(sealed=sealed, purpose=PURPOSE)


@pytest.mark.django_db
class TestErasePerson:
    def test_erases_everything_of_the_person_and_records_it(self) -> None:
        person_id, other_id, brand_id = uuid7(), uuid7(), uuid7()
        hers = [services.seal(person_id=person_id, text=TEXT, purpose=PURPOSE) for _ in range(2)]
        others = services.seal(person_id=other_id, text=TEXT, purpose=PURPOSE)
        steward = Actor(id=uuid7(), roles={brand_id: frozenset({Role.DATA_STEWARD})})
        erasure = ledger.erase_person(
            actor=steward, person_id=person_id, brand_id=brand_id, now=NOW
        )
        assert [services.reveal(sealed=text, purpose=PURPOSE) for text in hers] == [None, None]
        assert services.reveal(sealed=others, purpose=PURPOSE) == TEXT
        entry = selectors.get_entry(erasure.entry_id, actor=SYSTEM)
        assert entry.event == Event.LEDGER_PERSON_ERASED
        assert entry.subject_id == person_id
        assert entry.content()["facts"] == {"key": str(erasure.key_id)}

    def test_lets_the_person_come_back_under_a_new_key(self) -> None:
        person_id, brand_id = uuid7(), uuid7()
        steward = Actor(id=uuid7(), roles={brand_id: frozenset({Role.DATA_STEWARD})})
        old = services.seal(person_id=person_id, text="old", purpose=PURPOSE)
        ledger.erase_person(actor=steward, person_id=person_id, brand_id=brand_id, now=NOW)
        new = services.seal(person_id=person_id, text="new", purpose=PURPOSE)
        assert services.reveal(sealed=new, purpose=PURPOSE) == "new"
        assert services.reveal(sealed=old, purpose=PURPOSE) is None

    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.DATA_STEWARD])
    def test_is_for_the_data_steward_only(self, role: Role) -> None:
        brand_id = uuid7()
        actor = Actor(
            id=uuid7(),
            roles={brand_id: frozenset({role}), uuid7(): frozenset({Role.DATA_STEWARD})},
            is_platform_admin=True,
        )
        sealed = services.seal(person_id=actor.id, text=TEXT, purpose=PURPOSE)
        with pytest.raises(NotPermitted):
            ledger.erase_person(actor=actor, person_id=actor.id, brand_id=brand_id, now=NOW)
        assert services.reveal(sealed=sealed, purpose=PURPOSE) == TEXT

    def test_of_somebody_without_text_is_recorded_too(self) -> None:
        brand_id = uuid7()
        steward = Actor(id=uuid7(), roles={brand_id: frozenset({Role.DATA_STEWARD})})
        erasure = ledger.erase_person(actor=steward, person_id=uuid7(), brand_id=brand_id, now=NOW)
        assert erasure.key_id is None
        assert selectors.get_entry(erasure.entry_id, actor=SYSTEM).content()["facts"] == {}


ATTACKS = [
    "DELETE FROM sealing_personkey",
    "UPDATE sealing_personkey SET person_id = id",
    (
        "UPDATE sealing_personkey SET destroyed_at = NULL, destroyed_by = NULL, wrapped = {blob} "
        "WHERE destroyed_at IS NOT NULL"
    ),
    "UPDATE sealing_personkey SET wrapped = NULL WHERE destroyed_at IS NULL",
]


@pytest.mark.django_db(transaction=True)
class TestGuards:
    @pytest.fixture(autouse=True)
    def _one_live_and_one_destroyed_key(self) -> None:
        services.seal(person_id=uuid7(), text=TEXT, purpose=PURPOSE)
        person_id = uuid7()
        services.seal(person_id=person_id, text=TEXT, purpose=PURPOSE)
        with transaction.atomic():
            services.destroy_key(actor=SYSTEM, person_id=person_id, now=NOW)

    @pytest.mark.parametrize("attack", ATTACKS)
    def test_refuse(self, attack: str) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            self._attack(attack)

    @pytest.mark.parametrize("attack", ATTACKS[:3])
    def test_are_what_refuses(self, attack: str) -> None:
        with unguarded():
            self._attack(attack)

    def test_refuse_a_second_live_key_even_by_replacing(self) -> None:
        live = PersonKey.objects.get(destroyed_at__isnull=True)
        verb = "INSERT OR REPLACE" if connection.vendor == "sqlite" else "INSERT"
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"{verb} INTO sealing_personkey (id, person_id, wrapped, created_at) "
                "VALUES (%s, %s, %s, %s)",
                [uuid7().hex, live.person_id.hex, b"mine", "2026-01-01 00:00:00+00:00"],
            )
        assert PersonKey.objects.filter(id=live.id).exists()

    def _attack(self, attack: str) -> None:
        blob = "X'00'" if connection.vendor == "sqlite" else "'\\x00'"
        with connection.cursor() as cursor:
            cursor.execute(attack.format(blob=blob))
            assert cursor.rowcount > 0


@pytest.mark.django_db(transaction=True)
def test_first_use_by_many_at_once_makes_one_key() -> None:
    person_id = uuid7()
    sealed: list[bytes] = []
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def seal() -> None:
        try:
            start.wait()
            sealed.append(services.seal(person_id=person_id, text=TEXT, purpose=PURPOSE))
        except BaseException as error:  # noqa: BLE001 (reported by the assertion below)
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert PersonKey.objects.count() == 1
    assert {services.reveal(sealed=text, purpose=PURPOSE) for text in sealed} == {TEXT}


@pytest.mark.django_db
class TestSealedField:
    def test_refuses_text_in_the_open(self) -> None:
        field = fields.SealedField()
        field.name = "reason"
        for value in (b"Jane Doe", b""):
            with pytest.raises(ValidationError):
                field.get_db_prep_value(value, connection)

    def test_takes_sealed_bytes_and_nothing(self) -> None:
        field = fields.SealedField()
        sealed = services.seal(person_id=uuid7(), text=TEXT, purpose=PURPOSE)
        assert field.get_db_prep_value(sealed, connection) is not None
        assert field.get_db_prep_value(None, connection) is None
        assert field.from_db_value(memoryview(sealed)) == sealed

    def test_is_a_plain_column_in_migrations(self) -> None:
        assert fields.SealedField(null=True).deconstruct()[1:] == (
            "django.db.models.BinaryField",
            [],
            {"null": True},
        )
