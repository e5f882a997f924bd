"""Promise 4, from outside: the verifier's own file is attacked, as auditors run it.

It runs in an interpreter of its own on the published vectors; its answers are attacked with forged
proofs; and histories are rewritten at random by whoever holds the signing keys. The one class that
nothing can show is named: what was rewritten before anybody kept a checkpoint.
"""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.ledger import merkle, notes, verifier
from tests.benchmarks import tampering
from tests.vectors import ledger as vectors

CASES: list[dict[str, Any]] = json.loads((vectors.FOLDER / "cases.json").read_text("utf-8"))
ENTRIES = vectors.ENTRIES
HEAD = vectors.head_of(ENTRIES)
KEYS = list(
    verifier.parse_keys(
        str(notes.VerifierKey(vectors.ORIGIN, vectors.LOG.public_key().public_bytes_raw())),
        verifier.ED25519,
    )
)
NOTE = notes.sign(HEAD, vectors.LOG)


class TestVectors:
    @pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
    def test_come_out_as_published(self, case: dict[str, Any]) -> None:
        done = subprocess.run(
            [sys.executable, "-I", verifier.__file__, *case["arguments"], "--json"],
            capture_output=True,
            text=True,
            check=False,
            cwd=vectors.FOLDER,
            env={},
        )
        assert done.stderr == ""
        report = json.loads(done.stdout)
        failed = [check["check"].split()[0] for check in report["checks"] if not check["holds"]]
        assert failed[:1] == ([case["fails"]] if case["fails"] else [])
        assert (done.returncode, report["holds"]) == (bool(failed), not failed)

    def test_are_what_the_script_makes(self) -> None:
        made = vectors.make()
        assert made.cases == CASES
        for name, content in made.files.items():
            assert (vectors.FOLDER / name).read_bytes() == content, name

    def test_fail_for_every_reason(self) -> None:
        assert {case["fails"] for case in CASES} == {
            *("", "approval", "bytes", "earlier", "entries", "image", "inclusion", "input"),
            *("signature", "tiles", "witnesses"),
        }


class TestForgedProofs:
    """Whatever differs from a true proof in any part is refused."""

    @given(
        index=st.integers(-2, 12),
        size=st.integers(0, 12),
        path=st.lists(st.sampled_from([*vectors.path_of(3), bytes(32), b"", b"x"]), max_size=5),
        entry=st.sampled_from([*ENTRIES, b"{}", b"\x00" * 64]),
        root=st.sampled_from([HEAD.root, vectors.head_of(ENTRIES[:4]).root, bytes(32)]),
    )
    @settings(max_examples=500, deadline=None)
    def test_are_refused_by_the_mathematics(
        self, index: int, size: int, path: list[bytes], entry: bytes, root: bytes
    ) -> None:
        holds = verifier.includes(merkle.leaf_hash(entry), index, path, (size, root, set()))
        assert holds == merkle.includes(merkle.leaf_hash(entry), index, size, path, root)
        if holds:
            prefix = ENTRIES[:size]
            assert vectors.head_of(prefix).root == root
            assert prefix[index] == entry

    @given(place=st.integers(0, len(NOTE.encode()) - 1), bit=st.integers(0, 7))
    @settings(max_examples=500, deadline=None)
    def test_of_a_changed_checkpoint_are_refused(self, place: int, bit: int) -> None:
        raw = bytearray(NOTE.encode())
        raw[place] ^= 1 << bit
        with pytest.raises(ValueError, match=r"."):
            verifier.open_checkpoint(raw.decode(), KEYS)

    @given(data=st.data())
    @settings(max_examples=300, deadline=None)
    def test_of_a_changed_file_are_refused(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Change, drop or repeat any line of a proof file, or any character of it."""
        proof = (vectors.FOLDER / "proof.tlog-proof").read_text("utf-8")
        log = (vectors.FOLDER / "log-both.vkey").read_text("utf-8")
        lines = proof.split("\n")
        place = data.draw(st.integers(0, len(lines) - 2))
        act = data.draw(st.sampled_from(["drop", "repeat", "character", "swap"]))
        if act == "drop":
            changed = lines[:place] + lines[place + 1 :]
        elif act == "repeat":
            changed = [*lines[: place + 1], *lines[place:]]
        elif act == "swap":
            other = data.draw(st.integers(0, len(lines) - 2))
            changed = list(lines)
            changed[place], changed[other] = changed[other], changed[place]
        else:
            at = data.draw(st.integers(0, max(0, len(lines[place]) - 1)))
            letter = data.draw(st.sampled_from("A0/+=— "))
            changed = list(lines)
            changed[place] = lines[place][:at] + letter + lines[place][at + 1 :]
        folder = tmp_path_factory.mktemp("forged")
        (folder / "proof").write_text("\n".join(changed), "utf-8")
        (folder / "log.vkey").write_text(log, "utf-8")
        given_keys = ["--key", str(folder / "log.vkey")]
        given_keys += ["--witness", str(vectors.FOLDER / "witness.vkey")]
        same = _means_the_same(proof, "\n".join(changed))
        assert verifier.main(["proof", str(folder / "proof"), *given_keys]) == (0 if same else 1)

    def test_of_many_steps_or_signatures_end_soon(self, tmp_path: Path) -> None:
        entry = base64.b64encode(ENTRIES[0]).decode()
        steps = f"{base64.b64encode(bytes(32)).decode()}\n" * 10_000
        for text in (
            f"c2sp.org/tlog-proof@v1\nextra {entry}\nindex 0\n{steps}\n{NOTE}",
            f"c2sp.org/tlog-proof@v1\nextra {entry}\nindex 0\n\n{NOTE}{'— x AAAAAAAA' * 1000}\n",
            f"c2sp.org/tlog-proof@v1\nextra {entry}\nindex {'9' * 5000}\n\n{NOTE}",
        ):
            (tmp_path / "proof").write_text(text, "utf-8")
            key = str(vectors.FOLDER / "log.vkey")
            assert verifier.main(["proof", str(tmp_path / "proof"), "--key", key]) == 1


def _means_the_same(true: str, changed: str) -> bool:
    """Tell whether a change left everything signed and proven: the order of signatures is free."""
    text, _, block = true.rpartition("\n\n")
    other_text, _, other_block = changed.rpartition("\n\n")
    return text == other_text and set(block.split("\n")) == set(other_block.split("\n"))


class TestRewrittenHistory:
    def test_is_seen_in_every_class_by_who_kept_a_checkpoint(self) -> None:
        outcomes = tampering.run(400, seed=1)
        assert set(outcomes) == set(tampering.CLASSES)
        for name, outcome in outcomes.items():
            assert outcome.missed == [], name
            assert outcome.seen == outcome.tried == 40, name

    def test_is_invisible_before_anybody_kept_one(self) -> None:
        """Name the one class that cannot be detected, and show that it cannot."""
        outcomes = tampering.run(200, seed=2)
        for name in tampering.REWRITES:
            assert outcomes[name].controls_passed == outcomes[name].controls == 20, name
