"""Promise 4: every change of the log is seen by a verifier that holds an earlier checkpoint.

The attacker here holds everything but that checkpoint: the database with its guards off, the
export's files and the signing key itself. Each attack has its negative control: without the guard,
or without the earlier checkpoint, the very same attack works, so the test can see it.
"""

import base64
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, connection, transaction

from governance.kernel.ids import uuid7
from governance.ledger import exports, keys, merkle, notes, services, verifier
from governance.ledger.checkpoints import CheckpointSigner
from governance.ledger.errors import LogForked, LogRolledBack
from governance.ledger.events import Event
from governance.ledger.models import Cosignature, Entry, Leaf
from governance.tables import guards
from tests import databases
from tests.integration.ledger.log import NOW, SHA256, Signing, make_signing, unguarded, write
from tests.promises import attacks
from tests.promises.attacks import Attack, bound, change, constraint, delete, insert

SIGNED_BEFORE = 7
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "imprimatur.example/log"
KEY = notes.VerifierKey(ORIGIN, PRIVATE.public_key().public_bytes_raw())
ENTRIES = [b'{"n":%d}' % place for place in range(12)]


@pytest.fixture
def signing(tmp_path: Path) -> Signing:
    return make_signing(tmp_path / "keys")


def tree_head(entries: list[bytes]) -> notes.TreeHead:
    edge = merkle.Frontier()
    for entry in entries:
        edge.add(merkle.leaf_hash(entry))
    return notes.TreeHead(ORIGIN, len(entries), edge.root())


def forge(folder: Path, entries: list[bytes], private: Ed25519PrivateKey = PRIVATE) -> None:
    """Write a perfect export of `entries`: tiles recomputed, every checkpoint signed anew."""
    rows: dict[tuple[int, int], bytes] = {}
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    rows.update(merkle.grow(0, leaves, lambda *_: b""))
    files = {
        exports.tile_path(level, number, len(row) // 32): row
        for (level, number), row in rows.items()
    }
    for first in range(0, len(entries), 256):
        group = entries[first : first + 256]
        files[exports.tile_path("entries", first // 256, len(group))] = exports.bundle(group)
    signed = [
        notes.sign(tree_head(entries[:size]), private)
        for size in sorted({min(SIGNED_BEFORE, len(entries)), len(entries)})
    ]
    files[exports.CHECKPOINT] = signed[-1].encode()
    files[exports.CHECKPOINTS] = "\n".join(json.dumps({"note": note}) for note in signed).encode()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def verify(folder: Path, earlier: Path | None = None, key: object = KEY) -> int:
    more = [] if earlier is None else ["--earlier", str(earlier)]
    return verifier.main(["export", str(folder), "--key", str(key), *more])


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """Keep the checkpoint that somebody else holds."""
    path = tmp_path / "kept"
    path.write_text(notes.sign(tree_head(ENTRIES[:SIGNED_BEFORE]), PRIVATE))
    return path


def edited(entries: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(SIGNED_BEFORE)
    return [*entries[:place], b'{"n":"edited"}', *entries[place + 1 :]]


def deleted(entries: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(SIGNED_BEFORE)
    return entries[:place] + entries[place + 1 :]


def inserted(entries: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(SIGNED_BEFORE)
    return [*entries[:place], b'{"n":"inserted"}', *entries[place:]]


def reordered(entries: list[bytes], chance: random.Random) -> list[bytes]:
    one, other = chance.sample(range(SIGNED_BEFORE), 2)
    changed = list(entries)
    changed[one], changed[other] = changed[other], changed[one]
    return changed


def truncated(entries: list[bytes], chance: random.Random) -> list[bytes]:
    return entries[: chance.randrange(1, SIGNED_BEFORE)]


def forked(entries: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(SIGNED_BEFORE)
    return entries[:place] + [b'{"fork":%d}' % at for at in range(place, len(entries) + 3)]


def recomputed(entries: list[bytes], chance: random.Random) -> list[bytes]:
    return [b'{"all":"new %d"}' % chance.randrange(10**9) for _ in entries]


REWRITES = [edited, deleted, inserted, reordered, truncated, forked, recomputed]


class TestRewrittenHistory:
    """The attacker rewrites, recomputes every hash and signs with the real key."""

    @pytest.mark.parametrize("rewrite", REWRITES)
    @pytest.mark.parametrize("seed", range(3))
    def test_is_seen_by_who_holds_an_earlier_checkpoint(
        self,
        tmp_path: Path,
        earlier: Path,
        rewrite: Callable[[list[bytes], random.Random], list[bytes]],
        seed: int,
    ) -> None:
        forge(tmp_path / "log", rewrite(ENTRIES, random.Random(seed)))
        assert verify(tmp_path / "log", earlier) == 1

    @pytest.mark.parametrize("rewrite", REWRITES)
    def test_is_perfect_otherwise(
        self, tmp_path: Path, rewrite: Callable[[list[bytes], random.Random], list[bytes]]
    ) -> None:
        """Name the one class that cannot be seen: what changed before anybody kept a checkpoint."""
        forge(tmp_path / "log", rewrite(ENTRIES, random.Random(0)))
        assert verify(tmp_path / "log") == 0

    def test_that_only_grew_passes(self, tmp_path: Path, earlier: Path) -> None:
        forge(tmp_path / "log", [*ENTRIES, b"{}"])
        assert verify(tmp_path / "log", earlier) == 0

    def test_signed_with_another_key_is_seen_without_any_memory(self, tmp_path: Path) -> None:
        forge(tmp_path / "log", ENTRIES, Ed25519PrivateKey.generate())
        assert verify(tmp_path / "log") == 1


class TestChangedFiles:
    """The attacker changes the export's files, but cannot sign."""

    def test_are_each_seen(self, tmp_path: Path) -> None:
        """Change one random byte of one file, 300 times; no earlier checkpoint is needed."""
        folder, chance = tmp_path / "log", random.Random(4)
        forge(folder, [b'{"n":%d}' % place for place in range(260)])
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        assert verify(folder) == 0
        for _ in range(300):
            path = chance.choice(files)
            content = path.read_bytes()
            place = chance.randrange(len(content))
            spoiled = bytes([content[place] ^ (1 << chance.randrange(8))])
            path.write_bytes(content[:place] + spoiled + content[place + 1 :])
            assert verify(folder) == 1, (path, place)
            path.write_bytes(content)
        assert verify(folder) == 0

    @pytest.mark.parametrize("act", ["empty", "cut", "longer", "gone", "text"])
    def test_that_are_malformed_are_named_without_a_traceback(
        self, tmp_path: Path, act: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "log"
        forge(folder, ENTRIES)
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            content = path.read_bytes()
            if act == "gone":
                path.unlink()
            else:
                path.write_bytes(
                    {
                        "empty": b"",
                        "cut": content[:-1],
                        "longer": content + b"\x00\x00",
                        "text": b"\xff\xfe nonsense",
                    }[act]
                )
            expected = 0 if (path.name, act) in HARMLESS else 1
            assert verify(folder) == expected, path
            assert ("FAIL" in capsys.readouterr().out) == bool(expected)
            path.write_bytes(content)


# The list of older checkpoints may be empty or absent: the latest and the kept ones count.
HARMLESS = {(exports.CHECKPOINTS, "empty"), (exports.CHECKPOINTS, "gone")}


class TestForgedPassport:
    """The verifier itself is attacked, with every member of the passport changed in turn."""

    IMAGE = b"marked image"

    def _passport(self, **changes: Any) -> dict[str, Any]:
        entry = json.dumps(
            {"event": "review.case.approved", "at": "now", "subject": {"sha256": SHA256}}
        ).encode()
        entries = [*ENTRIES[:5], entry, *ENTRIES[5:]]
        leaves = [merkle.leaf_hash(each) for each in entries]
        rows = merkle.grow(0, leaves, lambda *_: b"")
        path = merkle.inclusion_path(5, len(entries), lambda *place: rows[place])
        proof = {
            "entry": base64.b64encode(entry).decode(),
            "leaf_index": 5,
            "proof": [step.hex() for step in path],
            "checkpoint": notes.sign(tree_head(entries), PRIVATE),
        }
        release = {"marked_sha256": sha256(self.IMAGE).hexdigest(), "reviewed_sha256": SHA256}
        for part in (proof, release):
            part.update({name: value for name, value in changes.items() if name in part})
        return {"ledger": proof, "release": release}

    def _verify(self, tmp_path: Path, passport: object, image: bytes = IMAGE) -> int:
        (tmp_path / "passport.json").write_text(json.dumps(passport))
        (tmp_path / "image").write_bytes(image)
        return verifier.main(
            [
                "passport",
                str(tmp_path / "passport.json"),
                "--image",
                str(tmp_path / "image"),
                "--key",
                str(KEY),
            ]
        )

    def test_passes_when_nothing_is_forged(self, tmp_path: Path) -> None:
        assert self._verify(tmp_path, self._passport()) == 0

    def test_fails_for_another_image(self, tmp_path: Path) -> None:
        assert self._verify(tmp_path, self._passport(), b"another image") == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"entry": base64.b64encode(ENTRIES[0]).decode()},
            {"entry": "e30"},
            {"entry": 7},
            {"leaf_index": 4},
            {"leaf_index": -1},
            {"leaf_index": 10**30},
            {"leaf_index": True},
            {"leaf_index": "5"},
            {"proof": []},
            {"proof": ["00" * 32] * 4},
            {"proof": ["00" * 32] * 1000},
            {"proof": ["zz"]},
            {"proof": [None]},
            {"proof": {}},
            {"checkpoint": ""},
            {"checkpoint": notes.sign(tree_head(ENTRIES), PRIVATE)},
            {"checkpoint": notes.sign(tree_head(ENTRIES), Ed25519PrivateKey.generate())},
            {"checkpoint": None},
            {"marked_sha256": "00" * 32},
            {"marked_sha256": None},
            {"reviewed_sha256": "00" * 32},
            {"reviewed_sha256": None},
        ],
    )
    def test_fails_for_each_forged_member(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        assert self._verify(tmp_path, self._passport(**changes)) == 1

    @pytest.mark.parametrize("event", ["review.case.rejected", "review.case.opened", None])
    def test_fails_for_an_entry_that_is_no_approval(self, tmp_path: Path, event: object) -> None:
        entry = json.dumps({"event": event, "subject": {"sha256": SHA256}}).encode()
        passport = self._passport(
            entry=base64.b64encode(entry).decode(),
            leaf_index=0,
            proof=[],
            checkpoint=notes.sign(tree_head([entry]), PRIVATE),
        )
        assert self._verify(tmp_path, passport) == 1

    @pytest.mark.parametrize("passport", [[], {}, {"release": {}}, "x", None, 1])
    def test_fails_for_what_is_no_passport(self, tmp_path: Path, passport: object) -> None:
        assert self._verify(tmp_path, passport) == 1

    def test_fails_for_missing_files_and_nested_nonsense(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.json"
        path.write_text("[" * 100_000)
        for name in ("deep.json", "none.json"):
            given = ["passport", str(tmp_path / name), "--image", str(path), "--key", str(KEY)]
            assert verifier.main(given) == 1

    @pytest.mark.parametrize("key", ["", "x", "a+b+c", "no/such/file", str(KEY)[:-4] + "AAA="])
    def test_fails_for_a_key_that_is_none(self, tmp_path: Path, key: str) -> None:
        forge(tmp_path / "log", ENTRIES)
        assert verify(tmp_path / "log", key=key) == 1


# What each statement attacks; {id} and {other} are entries, {blob} is a blob literal.
SQL_ATTACKS = {
    "edit an entry": "UPDATE ledger_entry SET body = {blob}",
    "edit an entry's column": "UPDATE ledger_entry SET actor_id = subject_id",
    "delete an entry": "DELETE FROM ledger_entry",
    "delete a leaf": "DELETE FROM ledger_leaf WHERE seq = 2",
    "edit a leaf": "UPDATE ledger_leaf SET leaf_hash = {blob}",
    "reorder the leaves": "UPDATE ledger_leaf SET seq = seq + 10",
    "leave a gap": "INSERT INTO ledger_leaf (seq, entry_id, leaf_hash) VALUES (9, '{new}', {blob})",
    "take a place twice": (
        "INSERT INTO ledger_leaf (seq, entry_id, leaf_hash) VALUES (3, '{old}', {blob})"
    ),
    "give a stranger a leaf": (
        "INSERT INTO ledger_leaf (seq, entry_id, leaf_hash) VALUES (3, '{stranger}', {blob})"
    ),
    "empty the inbox": "DELETE FROM ledger_pending",
    "redirect the inbox": "UPDATE ledger_pending SET entry_id = '{old}'",
    "edit a checkpoint": "UPDATE ledger_checkpoint SET note = 'x'",
    "delete a checkpoint": "DELETE FROM ledger_checkpoint",
    "sign a smaller log": (
        "INSERT INTO ledger_checkpoint (size, root, note, created_at) "
        "VALUES (1, {blob}, 'x', '2026-01-01 00:00:00+00:00')"
    ),
    "sign ahead of the log": (
        "INSERT INTO ledger_checkpoint (size, root, note, created_at) "
        "VALUES (99, {blob}, 'x', '2026-01-01 00:00:00+00:00')"
    ),
    "shrink the head": "UPDATE ledger_head SET size = 2",
    "push the head": "UPDATE ledger_head SET size = 50",
    "change the root": "UPDATE ledger_head SET root = {blob}",
    "delete the head": "DELETE FROM ledger_head",
    "edit a tile": "UPDATE ledger_tile SET hashes = {blob}",
    "move a tile": "UPDATE ledger_tile SET number = 5",
    "delete a tile": "DELETE FROM ledger_tile",
}
SQLITE_ATTACKS = {
    "replace an entry": (
        "REPLACE INTO ledger_entry "
        "(id, created_at, event, subject_kind, subject_id, actor_id, body) "
        "SELECT id, created_at, 'x', subject_kind, subject_id, actor_id, body FROM ledger_entry"
    ),
    "replace a leaf by its place": (
        "REPLACE INTO ledger_leaf (seq, entry_id, leaf_hash) VALUES (1, '{new}', {blob})"
    ),
    "replace a leaf by its entry": (
        "REPLACE INTO ledger_leaf (seq, entry_id, leaf_hash) VALUES (3, '{old}', {blob})"
    ),
    "replace the head": (
        "REPLACE INTO ledger_head (id, size, root, updated_at) VALUES (1, 1, {blob}, '2026-01-01')"
    ),
    "replace a tile": "REPLACE INTO ledger_tile (level, number, hashes) VALUES (0, 0, {blob})",
    "replace a checkpoint": (
        "REPLACE INTO ledger_checkpoint (size, root, note, created_at) "
        "VALUES (3, {blob}, 'x', '2026-01-01')"
    ),
    "upsert an entry": (
        "INSERT INTO ledger_entry (id, created_at, event, subject_kind, subject_id, actor_id, body)"
        " SELECT id, created_at, 'x', subject_kind, subject_id, actor_id, body FROM ledger_entry "
        "WHERE true ON CONFLICT (id) DO UPDATE SET event = 'x'"
    ),
}
POSTGRESQL_ATTACKS = {
    f"truncate {table}": f"TRUNCATE {table} CASCADE"
    for table in (
        "ledger_entry",
        "ledger_leaf",
        "ledger_tile",
        "ledger_head",
        "ledger_checkpoint",
    )
}


@pytest.mark.django_db(transaction=True)
class TestSqlAttack:
    """Raw SQL, as whoever the application is."""

    @pytest.fixture(autouse=True)
    def log(self, signing: Signing) -> None:
        signing.grow(3)
        write(1)

    def _run(self, attack: str) -> None:
        old = Leaf.objects.order_by("seq").values_list("entry_id", flat=True)[0]
        new = Entry.objects.filter(leaf__isnull=True).values_list("id", flat=True)[0]
        statement = attack.format(
            old=old.hex,
            new=new.hex,
            stranger="ab" * 16,
            blob="X'00'" if connection.vendor == "sqlite" else "'\\x00'",
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    @pytest.mark.parametrize("name", [*SQL_ATTACKS, *SQLITE_ATTACKS, *POSTGRESQL_ATTACKS])
    def test_is_refused(self, name: str) -> None:
        attack = _attack(name)
        before = _everything()
        with pytest.raises(DatabaseError):
            self._run(attack)
        assert _everything() == before
        assert services.fsck().is_sound

    @pytest.mark.parametrize(
        "name", sorted({*SQL_ATTACKS, *SQLITE_ATTACKS} - {"take a place twice"})
    )
    def test_works_without_the_guards_and_is_then_told(self, name: str, signing: Signing) -> None:
        attack, before = _attack(name), _everything()
        with _unguarded_until_emptied():
            self._run(attack)
            assert _everything() != before
            if name == "delete a checkpoint":
                # Nothing contradicts a checkpoint that is not there; its signer puts it back.
                services.sign_checkpoint(signer=signing.signer, now=NOW)
                assert _everything() == before
            else:
                assert not services.fsck(key=signing.key).is_sound


WITNESS = "witness.example/w1+00000000"
COSIGNATURE_ATTACKS = (
    Attack(
        "edit a cosignature",
        ["ledger_cosignature_append_only"],
        lambda scene: change("ledger_cosignature", scene.id, line="x"),
        lambda scene: Cosignature.objects.get(id=scene.id).line == "x",
    ),
    Attack(
        "delete a cosignature",
        ["ledger_cosignature_append_only"],
        lambda scene: delete("ledger_cosignature", scene.id),
        lambda scene: not Cosignature.objects.filter(id=scene.id).exists(),
    ),
    Attack(
        "cosign what was never signed",
        [bound("ledger_cosignature", "checkpoint_id")],
        lambda _scene: _cosign(99, "witness.example/w2+00000000"),
        lambda _scene: Cosignature.objects.filter(checkpoint_id=99).exists(),
    ),
    Attack(
        "cosign twice",
        ["ledger_cosignature_once", constraint("ledger_cosignature", "witness_cosigns_once")],
        lambda _scene: _cosign(3, WITNESS),
        lambda _scene: Cosignature.objects.filter(witness=WITNESS).count() == 2,
    ),
)


def _cosign(size: int, witness: str) -> None:
    insert(
        "ledger_cosignature",
        id=uuid7(),
        created_at=NOW,
        checkpoint_id=size,
        witness=witness,
        line="— witness.example/w1 AAAA",
    )


@pytest.mark.django_db(transaction=True)
def test_cosignatures_only_ever_grow(signing: Signing, subtests: pytest.Subtests) -> None:
    signing.grow(3)
    made = Cosignature.objects.create(
        checkpoint_id=3, witness=WITNESS, line="— witness.example/w1 AAAA", created_at=NOW
    )
    attacks.play(COSIGNATURE_ATTACKS, made, subtests)


@pytest.mark.django_db(transaction=True)
class TestRecomputedDatabase:
    """The attacker empties the database and writes a new history through our own services."""

    @pytest.mark.parametrize("size", [3, 5, 9])
    def test_is_seen_by_the_kept_checkpoint_and_by_the_signer(
        self, signing: Signing, tmp_path: Path, size: int
    ) -> None:
        kept = tmp_path / "kept"
        kept.write_text(signing.grow(5))
        services.export(folder=tmp_path / "true")
        assert verify(tmp_path / "true", kept, signing.key) == 0
        memory = (signing.folder / keys.MEMORY_FILE).read_bytes()

        databases.reset()
        empty = json.dumps({"origin": signing.key.name, "size": 0, "note": None})
        (signing.folder / keys.MEMORY_FILE).write_text(empty)
        Signing(signing.folder, signing.key, CheckpointSigner.load(signing.folder)).grow(size)
        services.export(folder=tmp_path / "forged")

        assert services.fsck(key=signing.key).is_sound
        assert verify(tmp_path / "forged", None, signing.key) == 0
        assert verify(tmp_path / "forged", kept, signing.key) == 1
        (signing.folder / keys.MEMORY_FILE).write_bytes(memory)
        with pytest.raises((LogForked, LogRolledBack)):
            services.confirm_continuity(signer=CheckpointSigner.load(signing.folder))

    def test_of_one_approval_is_seen_in_its_export(self, signing: Signing, tmp_path: Path) -> None:
        write(1, event=Event.REVIEW_CASE_REJECTED)
        signing.grow(2)
        entry = Entry.objects.order_by("id")[0]
        flipped = bytes(entry.body).replace(b"rejected", b"approved")
        with unguarded():
            Entry.objects.filter(id=entry.id).update(body=flipped, event="review.case.approved")
        services.export(folder=tmp_path)
        assert verify(tmp_path, None, signing.key) == 1
        assert not services.fsck().is_sound


def _attack(name: str) -> str:
    other = POSTGRESQL_ATTACKS if connection.vendor == "sqlite" else SQLITE_ATTACKS
    if name in other:
        pytest.skip("an attack in the words of the other database")
    return {**SQL_ATTACKS, **SQLITE_ATTACKS, **POSTGRESQL_ATTACKS}[name]


def _everything() -> list[object]:
    held: list[object] = []
    with connection.cursor() as cursor:
        for table in ("entry", "pending", "leaf", "tile", "head", "checkpoint"):
            cursor.execute(f"SELECT * FROM ledger_{table} ORDER BY 1")
            held.append(
                [
                    tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
                    for row in cursor.fetchall()
                ]
            )
    return held


@contextmanager
def _unguarded_until_emptied() -> Iterator[None]:
    """Drop the guards, and empty the tables before they come back: the damage may violate them."""
    try:
        with databases.as_owner():
            guards.drop(connection)
            yield
    finally:
        databases.reset()
        with databases.as_owner():
            guards.install(connection)
