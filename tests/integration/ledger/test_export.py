"""Export, check and prove: the verifier's files, complete and exact, from the shell too."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from governance.ledger import selectors, services, verifier
from governance.ledger.errors import ExportAhead, LogDamaged, NothingSigned
from governance.ledger.models import Leaf
from tests import databases
from tests.integration.ledger.log import NOW, Signing, unguarded, write

pytestmark = pytest.mark.django_db(transaction=True)


def verify(folder: Path, signing: Signing, *more: str) -> int:
    return verifier.main(["export", str(folder), "--key", str(signing.key), *more])


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("ledger", *arguments, stdout=out, stderr=out)
    return out.getvalue()


class TestExport:
    def test_is_read_by_the_verifier_alone_in_another_process(
        self, signing: Signing, tmp_path: Path
    ) -> None:
        earlier = tmp_path / "earlier"
        earlier.write_text(signing.grow(3))
        signing.grow(300)
        write(2)
        made = services.export(folder=tmp_path / "log")
        assert (made.size, made.checkpoints) == (303, 2)
        command = ["export", str(tmp_path / "log"), "--key", str(signing.key)]
        done = subprocess.run(
            [sys.executable, "-I", verifier.__file__, *command, "--earlier", earlier, "--json"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={},
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["holds"]
        names = [check["check"] for check in report["checks"]]
        assert names == ["entries", "tiles", "checkpoints", "earlier earlier", "signature"]

    def test_is_brought_up_to_date_in_place(self, signing: Signing, tmp_path: Path) -> None:
        for count in (3, 254, 1):
            signing.grow(count)
            services.export(folder=tmp_path)
            assert verify(tmp_path, signing) == 0
        assert not list(tmp_path.rglob("*.tmp"))

    def test_does_not_replace_a_longer_one(self, signing: Signing, tmp_path: Path) -> None:
        signing.grow(5)
        services.export(folder=tmp_path / "log")
        before = (tmp_path / "log" / "checkpoint").read_bytes()
        databases.reset()
        other = Signing(*_fresh(tmp_path / "other"))
        other.grow(3)
        with pytest.raises(ExportAhead):
            services.export(folder=tmp_path / "log")
        assert (tmp_path / "log" / "checkpoint").read_bytes() == before

    def test_needs_a_checkpoint(self, tmp_path: Path) -> None:
        write(1)
        services.sequence(now=NOW)
        with pytest.raises(NothingSigned):
            services.export(folder=tmp_path)

    def test_stops_at_a_gap(self, signing: Signing, tmp_path: Path) -> None:
        signing.grow(5)
        with unguarded():
            Leaf.objects.filter(seq=2).delete()
        with pytest.raises(LogDamaged):
            services.export(folder=tmp_path)


def _fresh(folder: Path) -> tuple[Path, object, object]:
    from tests.integration.ledger.log import make_signing

    made = make_signing(folder)
    return made.folder, made.key, made.signer


class TestFsck:
    def test_finds_a_sound_log_sound(self, signing: Signing) -> None:
        signing.grow(3)
        write(2)
        report = services.fsck(key=signing.key)
        assert report.problems == ()
        assert (report.size, report.entries, report.pending, report.checkpoints) == (3, 5, 2, 1)

    @pytest.mark.parametrize(
        ("attack", "problem"),
        [
            ("UPDATE ledger_entry SET actor_id = subject_id", "column actor_id"),
            ("UPDATE ledger_entry SET brand_id = NULL", "column brand_id"),
            ("UPDATE ledger_entry SET event = 'review.case.approved'", "column event"),
            ("UPDATE ledger_entry SET created_at = '2026-01-01 00:00:00+00:00'", "created_at"),
            ("DELETE FROM ledger_leaf WHERE seq = 2", "there are 2"),
            ("DELETE FROM ledger_leaf WHERE seq = 1", "jump from 1 to 2"),
            ("DELETE FROM ledger_pending", "neither a leaf nor a place in the inbox"),
            ("UPDATE ledger_head SET size = 2", "another root"),
            ("UPDATE ledger_tile SET level = 3", "tile 0/0"),
            ("INSERT INTO ledger_tile (level, number, hashes) VALUES (4, 0, ledger)", "belongs"),
            ("UPDATE ledger_checkpoint SET note = 'x'", "checkpoint 3"),
            ("UPDATE ledger_checkpoint SET size = 2", "checkpoint 2"),
            ("UPDATE ledger_checkpoint SET size = 9", "ahead of the log"),
        ],
    )
    def test_names_the_damage(self, signing: Signing, attack: str, problem: str) -> None:
        signing.grow(3)
        write(1)
        if "VALUES" in attack:
            attack = attack.replace(
                "ledger)", "'x')" if connection.vendor == "sqlite" else "'\\x78')"
            )
        with unguarded(), connection.cursor() as cursor:
            cursor.execute(attack)
        report = services.fsck(key=signing.key)
        assert not report.is_sound
        assert problem in "\n".join(report.problems)

    @pytest.mark.parametrize("column", ["body", "leaf_hash", "root", "hashes"])
    def test_sees_one_flipped_bit(self, signing: Signing, column: str) -> None:
        signing.grow(3)
        table, where = {
            "body": ("ledger_entry", ""),
            "leaf_hash": ("ledger_leaf", "WHERE seq = 1"),
            "root": ("ledger_checkpoint", ""),
            "hashes": ("ledger_tile", ""),
        }[column]
        with unguarded(), connection.cursor() as cursor:
            cursor.execute(f"SELECT {column} FROM {table} {where}")
            held = bytearray(cursor.fetchone()[0])
            held[len(held) // 2] ^= 1
            cursor.execute(f"UPDATE {table} SET {column} = %s {where}", [bytes(held)])
        assert not services.fsck().is_sound


class TestCommand:
    def test_exports_checks_and_proves(self, signing: Signing, tmp_path: Path) -> None:
        signing.grow(3)
        (entry_id,) = write(1)
        signing.grow(0)
        assert "Exported 4 entries under 2 checkpoints" in run("export", str(tmp_path / "log"))
        assert "Everything agrees" in run("fsck", "--key", str(signing.key))
        assert "Everything agrees" in run("fsck", "--key", str(signing.folder / "checkpoint.pub"))
        target = tmp_path / "entry.tlog-proof"
        assert "leaf 3" in run("prove", str(entry_id), "--to", str(target))
        assert target.read_text() == run("prove", str(entry_id))
        assert target.read_text().startswith("c2sp.org/tlog-proof@v1\nextra ")

    def test_says_what_is_wrong_in_a_sentence(self, signing: Signing, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="no signed checkpoint"):
            run("export", str(tmp_path))
        with pytest.raises(CommandError, match="no such ledger entry"):
            run("prove", str(uuid4()))
        with pytest.raises(CommandError, match="verifier key"):
            run("fsck", "--key", "nonsense")
        signing.grow(2)
        with unguarded():
            Leaf.objects.filter(seq=1).delete()
        with pytest.raises(CommandError, match="damaged"):
            run("fsck")


def test_evidence_reads_back(signing: Signing) -> None:
    signing.grow(4)
    (entry_id,) = write(1)
    signing.grow(4)
    written = selectors.get_evidence(entry_id).as_json()
    assert set(written) == {"entry", "leaf_index", "proof", "checkpoint"}
    assert (written["leaf_index"], len(written["proof"])) == (4, 4)
