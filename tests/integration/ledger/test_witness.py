"""Witnesses: they cosign what extends their own memory, and the relay keeps what verifies."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from governance.ledger import notes, selectors, services, verifier, witness
from governance.ledger.errors import CheckpointKeyUnsafe, WitnessRefused, WitnessUnavailable
from governance.ledger.models import Cosignature
from governance.ledger.services import WitnessAddress
from tests import databases
from tests.integration.ledger.log import NOW, Signing, make_signing, write

NAME = "witness.example/w1"
AT_S = 1_800_000_000


@dataclass(frozen=True)
class Watching:
    """A witness that serves on loopback, and its address as the settings would name it."""

    folder: Path
    witness: witness.Witness
    address: WitnessAddress


@pytest.fixture
def watching(signing: Signing, tmp_path: Path) -> Iterator[Watching]:
    folder = tmp_path / "witness"
    made = witness.Witness.load(folder, NAME, [signing.key])
    with witness.WitnessServer(("127.0.0.1", 0), made) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        public = notes.parse_keys((folder / witness.PUBLIC_FILE).read_text())
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield Watching(folder, made, WitnessAddress(url, public))
        server.shutdown()
        thread.join()


def head_of(signing: Signing, count: int) -> tuple[str, notes.TreeHead]:
    note = signing.grow(count)
    return note, notes.read_tree_head(note)


@pytest.mark.django_db(transaction=True)
class TestAddCheckpoint:
    @pytest.fixture
    def known(self, signing: Signing, tmp_path: Path) -> witness.Witness:
        return witness.Witness.load(tmp_path / "w", NAME, [signing.key])

    def _add(self, known: witness.Witness, old: int, note: str) -> witness.Answer:
        size = notes.read_tree_head(note).size
        path = selectors.consistency_proof(old, size) if old <= size else ()
        return known.add_checkpoint(witness.request_body(old, path, note), at_s=AT_S)

    def test_cosigns_what_extends_its_memory(
        self, signing: Signing, known: witness.Witness, tmp_path: Path
    ) -> None:
        first, second = signing.grow(3), signing.grow(300)
        for old, note in ((0, first), (3, second), (303, second)):
            answer = self._add(known, old, note)
            assert answer.status == 200, answer.body
            for key in notes.parse_keys((tmp_path / "w" / witness.PUBLIC_FILE).read_text()):
                notes.confirm_cosigned(note + answer.body, key)

    def test_names_its_size_to_who_is_wrong_about_it(
        self, signing: Signing, known: witness.Witness
    ) -> None:
        first, second = signing.grow(3), signing.grow(2)
        assert self._add(known, 0, second).status == 200
        for old, note in ((0, second), (3, second), (0, first), (3, first)):
            answer = self._add(known, old, note)
            assert (answer.status, answer.body) == (409, "5\n")
            assert answer.media_type == "text/x.tlog.size"

    def test_remembers_after_a_restart(
        self, signing: Signing, known: witness.Witness, tmp_path: Path
    ) -> None:
        self._add(known, 0, signing.grow(3))
        again = witness.Witness.load(tmp_path / "w", NAME, [signing.key])
        assert self._add(again, 0, signing.grow(1)).status == 409

    def test_refuses_another_past(self, signing: Signing, known: witness.Witness) -> None:
        self._add(known, 0, signing.grow(5))
        databases.reset()
        (signing.folder / "checkpoint.memory").write_text(
            f'{{"origin": "{signing.key.name}", "size": 0, "note": null}}'
        )
        forked = signing.grow(9)
        assert self._add(known, 5, forked).status == 422
        # Without its memory, the same fork is cosigned: the memory is what refuses.
        next(iter(known._folder.glob("*.memory"))).unlink()
        assert self._add(known, 0, forked).status == 200

    def test_refuses_another_root_of_the_same_size(
        self, signing: Signing, known: witness.Witness, tmp_path: Path
    ) -> None:
        note, head = head_of(signing, 4)
        self._add(known, 0, note)
        private = signing.signer._private
        forked = notes.sign(notes.TreeHead(head.origin, 4, bytes(32)), private)
        assert self._add(known, 4, forked).status == 409

    def test_answers_each_bad_request_with_its_status(
        self, signing: Signing, known: witness.Witness, tmp_path: Path
    ) -> None:
        note, head = head_of(signing, 3)
        stranger = make_signing(tmp_path / "stranger")
        forged = notes.sign(head, stranger.signer._private)
        foreign = notes.sign(
            notes.TreeHead("foreign.example/log", 3, head.root), signing.signer._private
        )
        extended = note.replace("\n\n", "\nextension\n\n", 1)
        body = witness.request_body(0, (), note)
        for bad, status in (
            (witness.request_body(0, (), forged), 403),
            (witness.request_body(0, (), foreign), 404),
            (witness.request_body(0, (), extended), 403),
            (witness.request_body(0, (bytes(32),), note), 422),
            (witness.request_body(4, (), note), 400),
            (body.replace("old 0", "old -1"), 400),
            (body.replace("old 0", "old 00"), 400),
            (body.replace("old 0", "old 0\nAAAA"), 400),
            (witness.request_body(0, [bytes(32)] * 64, note), 400),
            (note, 400),
            ("", 400),
        ):
            assert known.add_checkpoint(bad, at_s=AT_S).status == status, bad
        assert self._add(known, 0, note).status == 200

    def test_never_takes_a_spoiled_memory_for_none(
        self, signing: Signing, known: witness.Witness
    ) -> None:
        note = signing.grow(3)
        self._add(known, 0, note)
        memory = next(iter(known._folder.glob("*.memory")))
        for content in (b"", b"{}", b'{"note": "x"}'):
            memory.write_bytes(content)
            with pytest.raises(CheckpointKeyUnsafe):
                self._add(known, 0, note)


@pytest.mark.django_db(transaction=True)
class TestAskWitness:
    def test_keeps_a_line_of_each_key_that_verifies(
        self, signing: Signing, watching: Watching
    ) -> None:
        for count in (3, 300):
            signing.grow(count)
            assert services.ask_witness(at=watching.address, now=NOW) == 1
            assert services.ask_witness(at=watching.address, now=NOW) == 0
        latest = selectors.find_checkpoint()
        assert latest is not None
        note = selectors.cosigned_note(latest)
        for key in watching.address.keys:
            notes.confirm_cosigned(note, key)
        assert selectors.cosigned_size(watching.address.key_names) == 303
        assert selectors.lagging_since(watching.address.key_names) is None
        assert services.fsck(key=signing.key, witnesses=watching.address.keys).is_sound

    def test_catches_up_with_a_witness_that_knows_more_than_the_rows_say(
        self, signing: Signing, watching: Watching
    ) -> None:
        note = signing.grow(3)
        body = witness.request_body(0, (), note)
        assert watching.witness.add_checkpoint(body, at_s=AT_S).status == 200
        signing.grow(2)
        assert services.ask_witness(at=watching.address, now=NOW) == 1

    def test_is_loud_about_a_log_put_back_and_about_a_fork(
        self, signing: Signing, watching: Watching, tmp_path: Path
    ) -> None:
        signing.grow(5)
        services.ask_witness(at=watching.address, now=NOW)
        for size in (3, 9):
            databases.reset()
            (signing.folder / "checkpoint.memory").write_text(
                f'{{"origin": "{signing.key.name}", "size": 0, "note": null}}'
            )
            signing.grow(size)
            with pytest.raises(WitnessRefused):
                services.ask_witness(at=watching.address, now=NOW)
            assert not Cosignature.objects.exists()

    def test_that_is_away_or_speaks_nonsense_is_unavailable(self, signing: Signing) -> None:
        signing.grow(1)
        key = notes.VerifierKey(NAME, bytes(32), notes.ED25519_COSIGNATURE)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            at = WitnessAddress(f"http://127.0.0.1:{port}", (key,))
            with pytest.raises(WitnessUnavailable):
                services.ask_witness(at=at, now=NOW)

    def test_stores_nothing_of_keys_that_are_not_ours(
        self, signing: Signing, watching: Watching
    ) -> None:
        signing.grow(1)
        stranger = notes.VerifierKey(NAME, bytes(32), notes.ED25519_COSIGNATURE)
        at = WitnessAddress(watching.address.url, (stranger,))
        with pytest.raises(WitnessUnavailable, match="keys we know"):
            services.ask_witness(at=at, now=NOW)
        assert not Cosignature.objects.exists()

    def test_cosignatures_travel_with_exports_and_proofs(
        self, signing: Signing, watching: Watching, tmp_path: Path
    ) -> None:
        (entry_id,) = write(1)
        signing.grow(2)
        services.ask_witness(at=watching.address, now=NOW)
        services.export(folder=tmp_path / "log")
        evidence = selectors.get_evidence(entry_id)
        proof = notes.proof_text(
            index=evidence.proof.index,
            path=evidence.proof.path,
            checkpoint=evidence.checkpoint.note,
            entry=evidence.entry,
        )
        (tmp_path / "proof").write_text(proof)
        trusted = ["--key", str(signing.key), "--witness", str(watching.folder / "witness.vkey")]
        assert verifier.main(["export", str(tmp_path / "log"), *trusted]) == 0
        assert verifier.main(["proof", str(tmp_path / "proof"), *trusted]) == 0
        stranger = witness.Witness.load(tmp_path / "stranger", "witness.example/w2", [])
        trusted += ["--witness", str(stranger._folder / "witness.vkey")]
        assert verifier.main(["export", str(tmp_path / "log"), *trusted]) == 1
        assert verifier.main(["export", str(tmp_path / "log"), *trusted, "--quorum", "1"]) == 0


@pytest.mark.django_db(transaction=True)
def test_it_runs_alone_without_django(signing: Signing, tmp_path: Path) -> None:
    signing.grow(2)
    key_file = tmp_path / "log.vkey"
    key_file.write_text(f"{signing.key}\n")
    command = [sys.executable, "-c", ALONE, "--listen", "127.0.0.1:0", "--name", NAME]
    command += ["--folder", str(tmp_path / "alone"), "--log-key", str(key_file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            url = "http://" + said.partition(" on ")[2].partition(";")[0]
            public = notes.parse_keys((tmp_path / "alone" / "witness.vkey").read_text())
            at = WitnessAddress(url, public)
            assert services.ask_witness(at=at, now=NOW) == 1
        finally:
            process.kill()


ALONE = """
import sys
from governance.ledger import witness
assert "django" not in sys.modules
sys.exit(witness.main())
"""


@pytest.mark.django_db(transaction=True)
def test_the_settings_name_witnesses(settings: Any, watching: Watching) -> None:
    settings.LEDGER_WITNESSES = [f"{watching.address.url}/ {watching.folder / 'witness.vkey'}"]
    assert services.list_witnesses() == (watching.address,)
    settings.LEDGER_WITNESSES = ["witness.example"]
    with pytest.raises(Exception, match="address, a space, a file"):
        services.list_witnesses()
