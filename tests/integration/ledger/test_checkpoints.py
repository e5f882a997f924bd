"""Signing: only what extends the signer's own memory, at most once, whatever the database says."""

import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from django.db import connection

from governance.ledger import keys, notes, selectors, services
from governance.ledger.checkpoints import CheckpointSigner
from governance.ledger.errors import (
    CheckpointKeyExists,
    CheckpointKeyMissing,
    CheckpointKeyUnsafe,
    LogDamaged,
    LogForked,
    LogRolledBack,
    NotCovered,
    SignerBehind,
)
from governance.ledger.models import Checkpoint
from tests import databases
from tests.integration.ledger.log import NOW, ORIGIN, Signing, make_signing, unguarded, write

pytestmark = pytest.mark.django_db(transaction=True)


def restore(size: int) -> None:
    """Put the database back to an emptier log, as a restored backup would."""
    databases.reset()
    write(size)
    services.sequence(now=NOW)


class TestKey:
    def test_is_for_its_owner_only_and_never_replaced(self, tmp_path: Path) -> None:
        key = keys.make_checkpoint_key(tmp_path, ORIGIN)
        for name in (keys.KEY_FILE, keys.MEMORY_FILE):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert notes.VerifierKey.parse((tmp_path / keys.PUBLIC_FILE).read_text()) == key
        before = (tmp_path / keys.KEY_FILE).read_bytes()
        with pytest.raises(CheckpointKeyExists):
            keys.make_checkpoint_key(tmp_path, ORIGIN)
        assert (tmp_path / keys.KEY_FILE).read_bytes() == before

    @pytest.mark.parametrize("name", [keys.KEY_FILE, keys.MEMORY_FILE])
    def test_that_is_missing_open_or_spoiled_is_not_used(self, tmp_path: Path, name: str) -> None:
        keys.make_checkpoint_key(tmp_path, ORIGIN)
        path = tmp_path / name
        path.chmod(0o640)
        with pytest.raises(CheckpointKeyUnsafe):
            CheckpointSigner.load(tmp_path)
        path.chmod(0o600)
        CheckpointSigner.load(tmp_path)
        path.write_bytes(b"{}")
        with pytest.raises(CheckpointKeyUnsafe):
            CheckpointSigner.load(tmp_path)
        path.unlink()
        with pytest.raises(CheckpointKeyMissing):
            CheckpointSigner.load(tmp_path)


class TestSecondKey:
    def test_signs_beside_the_first_and_both_verify(self, tmp_path: Path) -> None:
        signing = make_signing(tmp_path)
        before = signing.grow(1)
        second = keys.make_second_key(tmp_path, ORIGIN)
        assert second is not None
        assert stat.S_IMODE((tmp_path / keys.SECOND_KEY_FILE).stat().st_mode) == 0o600
        assert notes.parse_keys((tmp_path / keys.SECOND_PUBLIC_FILE).read_text()) == (second,)
        with pytest.raises(CheckpointKeyExists):
            keys.make_second_key(tmp_path, ORIGIN)
        signer = CheckpointSigner.load(tmp_path)
        assert (signing.signer.signs_twice, signer.signs_twice) == (False, True)
        note = Signing(tmp_path, signing.key, signer).grow(1)
        for key in (signing.key, second):
            assert notes.open_checkpoint(note, key).size == 2
        assert notes.open_checkpoint(before, signing.key).size == 1

    def test_is_left_out_where_the_machine_has_no_ml_dsa(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unsupported() -> None:
            raise UnsupportedAlgorithm("not on this machine")

        monkeypatch.setattr(keys.MLDSA44PrivateKey, "generate", unsupported)
        signing = make_signing(tmp_path)
        assert keys.make_second_key(tmp_path, ORIGIN) is None
        assert not CheckpointSigner.load(tmp_path).signs_twice
        assert notes.open_checkpoint(signing.grow(1), signing.key).size == 1

    def test_of_another_kind_is_not_used(self, tmp_path: Path) -> None:
        make_signing(tmp_path)
        first = (tmp_path / keys.KEY_FILE).read_bytes()
        keys.write_whole(tmp_path / keys.SECOND_KEY_FILE, first, mode=0o600)
        with pytest.raises(CheckpointKeyUnsafe):
            CheckpointSigner.load(tmp_path)


class TestSignCheckpoint:
    def test_covers_what_is_sequenced(self, signing: Signing) -> None:
        (first_id,) = write(1)
        services.sequence(now=NOW)
        assert selectors.is_covered(first_id) is None
        made = services.sign_checkpoint(signer=signing.signer, now=NOW)
        assert made is not None
        head = notes.open_checkpoint(made.note, signing.key)
        assert (head.size, head.root) == selectors.size_and_root() == (made.size, made.root)
        assert selectors.is_covered(first_id) == made

    def test_gives_each_entry_the_first_checkpoint_that_covers_it(self, signing: Signing) -> None:
        ids = []
        for _ in range(3):
            ids += write(2)
            services.sequence(now=NOW)
            services.sign_checkpoint(signer=signing.signer, now=NOW)
        covering = [selectors.is_covered(entry_id) for entry_id in ids]
        assert [found.size for found in covering if found] == [2, 2, 4, 4, 6, 6]
        latest = selectors.find_checkpoint()
        assert latest is not None
        assert latest.size == 6

    def test_says_nothing_when_nothing_is_new(self, signing: Signing) -> None:
        assert services.sign_checkpoint(signer=signing.signer, now=NOW) is None
        signing.grow(2)
        write(1)
        assert services.sign_checkpoint(signer=signing.signer, now=NOW) is None
        assert Checkpoint.objects.count() == 1

    def test_publishes_what_was_signed_before_a_crash(
        self, signing: Signing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signing.grow(2)
        write(2)
        services.sequence(now=NOW)

        def dies(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint.objects, "get_or_create", dies)
            with pytest.raises(KeyboardInterrupt):
                services.sign_checkpoint(signer=signing.signer, now=NOW)
        remembered = signing.signer.last()
        assert remembered is not None
        assert remembered.head.size == 4
        again = CheckpointSigner.load(signing.folder)
        made = services.sign_checkpoint(signer=again, now=NOW)
        assert made is not None
        assert made.note == remembered.note
        signing.grow(1)
        assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [2, 4, 5]

    def test_refuses_a_database_put_back_to_yesterday(self, signing: Signing) -> None:
        signing.grow(5)
        restore(3)
        with pytest.raises(LogRolledBack):
            services.sign_checkpoint(signer=signing.signer, now=NOW)
        with pytest.raises(LogRolledBack):
            services.confirm_continuity(signer=signing.signer)

    def test_refuses_another_history_even_if_it_is_longer(self, signing: Signing) -> None:
        signing.grow(5)
        restore(9)
        with pytest.raises(LogForked):
            services.sign_checkpoint(signer=signing.signer, now=NOW)
        assert not Checkpoint.objects.exists()

    def test_would_sign_that_history_without_its_memory(self, signing: Signing) -> None:
        """Show that the memory is what refuses: without it the same forged log is signed."""
        signing.grow(5)
        restore(9)
        empty = f'{{"origin": "{ORIGIN}", "size": 0, "note": null}}'
        (signing.folder / keys.MEMORY_FILE).write_text(empty)
        assert services.sign_checkpoint(signer=signing.signer, now=NOW) is not None

    def test_refuses_to_start_over_beside_published_checkpoints(self, signing: Signing) -> None:
        signing.grow(2)
        memory = (signing.folder / keys.MEMORY_FILE).read_bytes()
        signing.grow(2)
        (signing.folder / keys.MEMORY_FILE).write_bytes(memory)
        with pytest.raises(SignerBehind):
            services.sign_checkpoint(signer=signing.signer, now=NOW)

    def test_refuses_a_head_that_does_not_match_its_tiles(self, signing: Signing) -> None:
        signing.grow(2)
        with unguarded(), connection.cursor() as cursor:
            cursor.execute("UPDATE ledger_head SET root = %s", [bytes(32)])
        with pytest.raises(LogDamaged):
            services.sign_checkpoint(signer=signing.signer, now=NOW)

    def test_refuses_a_memory_signed_by_another_key(self, signing: Signing, tmp_path: Path) -> None:
        other = make_signing(tmp_path / "other")
        other.grow(1)
        memory = (other.folder / keys.MEMORY_FILE).read_bytes()
        (signing.folder / keys.MEMORY_FILE).write_bytes(memory)
        with pytest.raises(CheckpointKeyUnsafe):
            services.sign_checkpoint(signer=signing.signer, now=NOW)


class TestWritingTheMemory:
    def test_that_fails_keeps_the_old_one_and_gives_no_signature_away(
        self, signing: Signing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signing.grow(2)
        before = (signing.folder / keys.MEMORY_FILE).read_bytes()
        write(1)
        services.sequence(now=NOW)
        with monkeypatch.context() as patch:
            patch.setattr(keys.os, "fsync", _no_space)
            with pytest.raises(OSError, match="no space"):
                services.sign_checkpoint(signer=signing.signer, now=NOW)
        assert (signing.folder / keys.MEMORY_FILE).read_bytes() == before
        assert Checkpoint.objects.count() == 1
        assert not [path for path in signing.folder.iterdir() if path.suffix == ".tmp"]
        assert services.sign_checkpoint(signer=signing.signer, now=NOW) is not None


def _no_space(_: int) -> None:
    message = "no space left on device"
    raise OSError(message)


class TestProofs:
    def test_of_an_entry_that_is_not_covered_are_refused(self, signing: Signing) -> None:
        signing.grow(2)
        (late_id,) = write(1)
        for attempt in (
            lambda: selectors.get_evidence(late_id),
            lambda: selectors.inclusion_proof(late_id, 2),
        ):
            with pytest.raises(NotCovered):
                attempt()
        services.sequence(now=NOW)
        with pytest.raises(NotCovered):
            selectors.inclusion_proof(late_id, 2)
        assert selectors.inclusion_proof(late_id, 3).index == 2
