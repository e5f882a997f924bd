"""Makes the ledger's published test vectors: exports, proofs and passports, good and forged.

Run `python -m tests.vectors.ledger`. `cases.json` lists each case: the verifier's arguments, and
which check must fail, if any. Everything is deterministic but the ML-DSA signature, which is kept
in `mldsa.txt` and made only if that is missing.
"""

import base64
import json
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from governance.ledger import exports, merkle, notes

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "vectors" / "ledger"
ORIGIN = "imprimatur.example/log"
WITNESS = "witness.example/w1"
AT_S = 1_800_000_000
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG_SECOND = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32)))
SEEN_BY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
IMAGE = b"not really an image, but its bytes are what counts\n"
REVIEWED = sha256(b"the reviewed bytes").hexdigest()
MARKED = sha256(IMAGE).hexdigest()
APPROVED = 3
ENTRIES = [
    b'{"event":"review.case.opened","n":0}',
    b'{"event":"review.case.decided","n":1}',
    b"",
    b'{"at":"2026-03-04T05:06:07Z","event":"review.case.approved","subject":{"sha256":"%s"}}'
    % REVIEWED.encode(),
    b'{"event":"release.release.created","n":4}',
    b'{"event":"review.case.opened","n":5}',
    b'{"event":"review.case.rejected","subject":{"sha256":"%s"}}' % REVIEWED.encode(),
]
KEPT = 4


@dataclass
class Vectors:
    """The files by name, and the cases."""

    files: dict[str, bytes] = field(default_factory=dict)
    cases: list[dict[str, Any]] = field(default_factory=list)

    def case(self, name: str, *arguments: str, fails: str = "") -> None:
        """Add a case; `fails` names the check that must fail, and none may where it is empty."""
        self.cases.append({"name": name, "arguments": list(arguments), "fails": fails})


def head_of(entries: list[bytes]) -> notes.TreeHead:
    """Return the tree head of these entries."""
    edge = merkle.Frontier()
    for entry in entries:
        edge.add(merkle.leaf_hash(entry))
    return notes.TreeHead(ORIGIN, len(entries), edge.root())


def put_export(vectors: Vectors, folder: str, entries: list[bytes], note: str) -> None:
    """Add an export whose tree fits its entries, under this checkpoint."""
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    for (level, number), row in merkle.grow(0, leaves, lambda *_: b"").items():
        vectors.files[f"{folder}/{exports.tile_path(level, number, len(row) // 32)}"] = row
    name = exports.tile_path("entries", 0, len(entries))
    vectors.files[f"{folder}/{name}"] = exports.bundle(entries)
    vectors.files[f"{folder}/{exports.CHECKPOINT}"] = note.encode()
    line = json.dumps({"note": note}, ensure_ascii=False) + "\n"
    vectors.files[f"{folder}/{exports.CHECKPOINTS}"] = line.encode()


def path_of(index: int) -> tuple[bytes, ...]:
    """Return the inclusion path of an entry in the good log."""
    rows = merkle.grow(0, [merkle.leaf_hash(entry) for entry in ENTRIES], lambda *_: b"")
    return merkle.inclusion_path(index, len(ENTRIES), lambda *place: rows[place])


def mldsa_line(head: notes.TreeHead) -> str:
    """Return the log's ML-DSA-44 line: the one that is published, or a new one."""
    known = FOLDER / "mldsa.txt"
    if known.is_file():
        return known.read_text(encoding="utf-8")
    return notes.cosign(head, ORIGIN, LOG_SECOND, at_s=AT_S)


def make() -> Vectors:
    """Make every file and case."""
    vectors = Vectors()
    head = head_of(ENTRIES)
    plain, second = notes.sign(head, LOG), mldsa_line(head)
    note = plain + second + notes.cosign(head, WITNESS, SEEN_BY, at_s=AT_S)
    key = str(notes.VerifierKey(ORIGIN, LOG.public_key().public_bytes_raw()))
    both = f"{key}\n{notes.cosigner_key(ORIGIN, LOG_SECOND)}\n"
    vectors.files |= {
        "mldsa.txt": second.encode(),
        "log.vkey": f"{key}\n".encode(),
        "log-both.vkey": both.encode(),
        "witness.vkey": f"{notes.cosigner_key(WITNESS, SEEN_BY)}\n".encode(),
        "image.bin": IMAGE,
        "kept.checkpoint": notes.sign(head_of(ENTRIES[:KEPT]), LOG).encode(),
        "kept-of-a-fork.checkpoint": notes.sign(head_of(ENTRIES[:2] + [b"{}"] * 2), LOG).encode(),
    }
    _exports(vectors, plain, note)
    _proofs(vectors, note)
    _passports(vectors, note)
    return vectors


def _exports(vectors: Vectors, plain: str, note: str) -> None:
    both, seen = ("--key", "log-both.vkey"), ("--witness", "witness.vkey")
    put_export(vectors, "export", ENTRIES, note)
    put_export(vectors, "export-of-one-key", ENTRIES, plain)
    kept = ("--earlier", "kept.checkpoint")
    fork = ("--earlier", "kept-of-a-fork.checkpoint")
    vectors.case("an export", "export", "export", *both, *seen, *kept)
    vectors.case("an export from before the second key", "export", "export-of-one-key", *KEY)
    vectors.case("a missing key", "export", "export-of-one-key", *both, fails="signature")
    vectors.case("no witness", "export", "export-of-one-key", *KEY, *seen, fails="witnesses")
    vectors.case("a fork", "export", "export", *both, *fork, fails="earlier")
    changed = [*ENTRIES[:1], b'{"event":"review.case.approved","n":1}', *ENTRIES[2:]]
    put_export(vectors, "export-edited", changed, note)
    vectors.case("an edited entry", "export", "export-edited", *KEY, fails="entries")
    put_export(vectors, "export-rewritten", changed, notes.sign(head_of(changed), LOG))
    vectors.case("a rewriting, seen", "export", "export-rewritten", *KEY, *kept, fails="earlier")
    vectors.case("the same, with nothing kept", "export", "export-rewritten", *KEY)
    put_export(vectors, "export-of-a-stranger", ENTRIES, notes.sign(head_of(ENTRIES), STRANGER))
    vectors.case("another key", "export", "export-of-a-stranger", *KEY, fails="input")
    put_export(vectors, "export-cut", ENTRIES[:-1], note)
    vectors.case("a cut end", "export", "export-cut", *KEY, fails="input")
    tile = "export-tile/tile/0/000.p/7"
    put_export(vectors, "export-tile", ENTRIES, note)
    vectors.files[tile] = bytes([vectors.files[tile][0] ^ 1]) + vectors.files[tile][1:]
    vectors.case("a changed tile", "export", "export-tile", *KEY, fails="tiles")


def _proofs(vectors: Vectors, note: str) -> None:
    path = path_of(APPROVED)
    forged = notes.sign(notes.TreeHead(ORIGIN, 7, bytes(32)), LOG)
    foreign = notes.sign(notes.TreeHead("other.example/log", 7, head_of(ENTRIES).root), LOG)
    for name, index, steps, under, entry, fails in (
        ("proof", APPROVED, path, note, ENTRIES[APPROVED], ""),
        ("proof-index", APPROVED + 1, path, note, ENTRIES[APPROVED], "inclusion"),
        ("proof-beyond", 7, path, note, ENTRIES[APPROVED], "inclusion"),
        ("proof-short", APPROVED, path[:-1], note, ENTRIES[APPROVED], "inclusion"),
        ("proof-long", APPROVED, (*path, bytes(32)), note, ENTRIES[APPROVED], "inclusion"),
        ("proof-node", 0, path[1:], note, path[0] + path[0], "inclusion"),
        ("proof-entry", APPROVED, path, note, b"{}", "inclusion"),
        ("proof-root", APPROVED, path, forged, ENTRIES[APPROVED], "inclusion"),
        ("proof-origin", APPROVED, path, foreign, ENTRIES[APPROVED], "input"),
        ("proof-size", APPROVED, path, note.replace("\n7\n", "\n8\n"), ENTRIES[APPROVED], "input"),
        ("proof-signature", APPROVED, path, _spoiled(note), ENTRIES[APPROVED], "input"),
    ):
        text = notes.proof_text(index=index, path=steps, checkpoint=under, entry=entry)
        vectors.files[f"{name}.tlog-proof"] = text.encode()
        vectors.case(name, "proof", f"{name}.tlog-proof", *KEY, fails=fails)


def _passports(vectors: Vectors, note: str) -> None:
    for name, index, marked, reviewed, fails in (
        ("passport", APPROVED, MARKED, REVIEWED, ""),
        ("passport-image", APPROVED, REVIEWED, REVIEWED, "image"),
        ("passport-bytes", APPROVED, MARKED, MARKED, "bytes"),
        ("passport-rejected", 6, MARKED, REVIEWED, "approval"),
    ):
        proof = {
            "entry": base64.b64encode(ENTRIES[index]).decode(),
            "leaf_index": index,
            "proof": [step.hex() for step in path_of(index)],
            "checkpoint": note,
        }
        release = {"marked_sha256": marked, "reviewed_sha256": reviewed}
        document = json.dumps({"release": release, "ledger": proof}, indent=1, ensure_ascii=False)
        vectors.files[f"{name}.json"] = document.encode()
        image = ("--image", "image.bin")
        vectors.case(name, "passport", f"{name}.json", *image, *KEY, fails=fails)


def _spoiled(note: str) -> str:
    """Change one bit of the first signature."""
    text, blank, block = note.rpartition("\n\n")
    line, end, rest = block.partition("\n")
    raw = bytearray(base64.b64decode(line.split()[2]))
    raw[-1] ^= 1
    return f"{text}{blank}— {ORIGIN} {base64.b64encode(bytes(raw)).decode()}{end}{rest}"


KEY = ("--key", "log.vkey")


def main() -> None:
    """Write the vectors."""
    vectors = make()
    cases = json.dumps(vectors.cases, indent=1, ensure_ascii=False) + "\n"
    vectors.files["cases.json"] = cases.encode()
    for name, content in vectors.files.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sys.stdout.write(f"{len(vectors.cases)} cases, {len(vectors.files)} files in {FOLDER}\n")


if __name__ == "__main__":
    main()
