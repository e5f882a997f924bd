"""The keys command: it makes what is missing, for its owner's eyes, and leaves the rest alone."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from imprimatur.config.management.commands.keys import (
    LEDGER_PUBLIC_NAME,
    LEDGER_SECOND_PUBLIC_NAME,
)

from governance.ledger.checkpoints import CheckpointSigner
from governance.marking.signing import ANCHORS_NAME
from governance.sealing.keys import read_sealing_key

SECRET = {
    "sealing/kek",
    "relay/checkpoint.key",
    "relay/checkpoint.memory",
    "relay/checkpoint.mldsa.key",
    "publisher/leaf.key",
}


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    made = tmp_path / "var" / "keys"
    settings.SEALING_KEY_FILE = made / "sealing" / "kek"
    settings.CHECKPOINT_KEY_FOLDER = made / "relay"
    settings.PUBLISHER_KEY_FOLDER = made / "publisher"
    settings.PUBLIC_KEY_FOLDER = made / "public"
    return made


def run() -> str:
    said = StringIO()
    call_command("keys", stdout=said)
    return said.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class TestTheKeysCommand:
    def test_makes_every_key_readable_by_its_owner_alone(self, folder: Path) -> None:
        said = run()
        assert set(contents(folder)) >= SECRET
        for name in SECRET:
            assert (folder / name).stat().st_mode & 0o777 == 0o600, name
        for name in ("sealing", "relay", "publisher"):
            assert (folder / name).stat().st_mode & 0o777 == 0o700, name
        assert len(said.splitlines()) == 4

    def test_shows_the_public_parts_and_only_those(self, folder: Path) -> None:
        run()
        public = contents(folder / "public")
        assert set(public) == {LEDGER_PUBLIC_NAME, LEDGER_SECOND_PUBLIC_NAME, ANCHORS_NAME}
        signer = CheckpointSigner.load(folder / "relay")
        assert public[LEDGER_PUBLIC_NAME].decode().strip() == str(signer.key)
        assert b"PRIVATE" not in b"".join(public.values())
        assert len(read_sealing_key(folder / "sealing" / "kek")) == 32

    def test_keeps_no_key_of_the_root(self, folder: Path) -> None:
        run()
        private = [name for name, data in contents(folder).items() if b"PRIVATE" in data]
        assert sorted(private) == [
            "publisher/leaf.key",
            "relay/checkpoint.key",
            "relay/checkpoint.mldsa.key",
        ]

    def test_changes_nothing_when_it_runs_again(self, folder: Path) -> None:
        run()
        before = contents(folder)
        assert run() == ""
        assert contents(folder) == before

    def test_shows_a_public_part_again_that_was_lost(self, folder: Path) -> None:
        run()
        before = contents(folder)
        for path in (folder / "public").iterdir():
            path.unlink()
        run()
        assert contents(folder) == before
