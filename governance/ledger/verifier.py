"""Verifies an exported ledger, or an image's passport, offline, alone, trusting no server.

    python -I verifier.py export FOLDER --key VKEY [--earlier CHECKPOINT]... [--json]
    python -I verifier.py passport PASSPORT --image FILE --key VKEY [--json]

VKEY is the log's public key (C2SP vkey), as text or a file. CHECKPOINT is one kept from before: a
history that the holder of the signing key rewrote as a whole can be told from the true one only by
it. That the marked image was made from the reviewed bytes is what its C2PA manifest signs, and is
not looked at here. One line per check; exit status 0 only if all hold. Needs `cryptography`.
Formats: RFC 6962 section 2.1; C2SP signed-note, tlog-checkpoint, tlog-tiles.
"""

import argparse
import base64
import json
import re
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EMPTY_ROOT = sha256(b"").digest()
HASH, WIDTH, KEY_ID, MAX_SIGNATURES, MAX_PATH, MAX_FILE_BYTES = 32, 256, 4, 16, 64, 2**26
NAME, SIZE = re.compile(r"[^\s+\x00-\x1f]{1,200}"), re.compile(r"0|[1-9][0-9]{0,18}")


class Unsound(Exception):
    """Input that is malformed or not signed as it must be: the sentence says which and why."""


class Key(NamedTuple):
    """The log's name, the id before its signatures, and its public key."""

    name: str
    id: bytes
    public: bytes


class Head(NamedTuple):
    """What a verified checkpoint says."""

    size: int
    root: bytes


class Checks(list[dict[str, Any]]):
    """The outcome of each check, in order."""

    def add(self, name: str, holds: bool, right: str, wrong: str = "") -> None:
        """Record whether something holds, in the words for either case."""
        self.append({"check": name, "holds": holds, "detail": right if holds else wrong})


def includes(leaf: bytes, index: int, path: Sequence[bytes], head: Head) -> bool:
    """Tell whether the path leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < head.size:
        return False
    here, last, node = index, head.size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = sha256(b"\x01" + step + node).digest()
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + step).digest()
        here, last = here >> 1, last >> 1
    return last == 0 and node == head.root


def unbase64(text: str, what: str) -> bytes:
    """Decode base64, which must be in its one canonical form."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if base64.b64encode(raw).decode() != text:
        raise Unsound(f"{what} is not canonical base64")
    return raw


def read(path: Path) -> bytes:
    """Read a file of reasonable size."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise Unsound(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return content


def parse_json(text: str | bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unsound(f"{what} is not a JSON object")
    return value


def member(container: dict[str, Any], name: str, kind: type, what: str) -> Any:
    """Return a member, which must be there and exactly of this kind."""
    value = container.get(name)
    if type(value) is not kind:
        raise Unsound(f"{what} has no proper “{name}”")
    return value


def parse_key(given: str) -> Key:
    """Read a vkey, given as text or as a file that holds it."""
    text = given if re.fullmatch(r"[^+]+\+[0-9a-f]{8}\+\S+", given) else read(Path(given)).decode()
    name, key_id, encoded = [*text.strip().split("+", 2), "", ""][:3]
    raw = unbase64(encoded, "the key")
    if not NAME.fullmatch(name) or raw[:1] != b"\x01" or len(raw) != 1 + HASH:
        raise Unsound("the key is not an Ed25519 vkey")
    if sha256(name.encode() + b"\n" + raw).digest()[:KEY_ID].hex() != key_id:
        raise Unsound("the key's id does not belong to it")
    return Key(name, bytes.fromhex(key_id), raw[1:])


def open_checkpoint(note: str, key: Key) -> Head:
    """Verify a signed note and return the tree head it states."""
    text, blank, block = note.rpartition("\n\n")
    lines = block.split("\n")
    if (
        not blank
        or lines.pop()
        or len(lines) > MAX_SIGNATURES
        or re.search(r"[\x00-\x09\x0b-\x1f]", note)
    ):
        raise Unsound("the checkpoint is not a signed note")
    signatures = []
    for dash, name, encoded in (f"{line}  ".split(" ")[:3] for line in lines):
        raw = unbase64(encoded, "a signature")
        if dash != "—" or len(raw) <= KEY_ID:
            raise Unsound("the checkpoint has a malformed signature line")
        if (name, raw[:KEY_ID]) == (key.name, key.id):
            signatures.append(raw[KEY_ID:])
    if not signatures:
        raise Unsound(f"the checkpoint carries no signature of {key.name} with this key")
    try:
        for signature in signatures:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, f"{text}\n".encode())
    except InvalidSignature as error:
        raise Unsound("the signature of the checkpoint does not verify") from error
    origin, size, encoded = f"{text}\n\n".split("\n")[:3]
    root = unbase64(encoded, "the root")
    if origin != key.name or not SIZE.fullmatch(size) or len(root) != HASH:
        raise Unsound("the checkpoint is of another log, or has no proper size or root")
    return Head(int(size), root)


def tile_path(level: int | str, number: int, width: int) -> str:
    """Return the path of a tile or entry bundle."""
    name, number = f"{number % 1000:03d}", number // 1000
    while number:
        name, number = f"x{number % 1000:03d}/{name}", number // 1000
    return f"tile/{level}/{name}" + ("" if width == WIDTH else f".p/{width}")


def entries(folder: Path, size: int) -> Iterator[bytes]:
    """Yield the exact bytes of every entry, in order."""
    for first in range(0, size, WIDTH):
        width = min(WIDTH, size - first)
        name = tile_path("entries", first // WIDTH, width)
        content, at = read(folder / name), 0
        for _ in range(width):
            start = at + 2
            at = start + int.from_bytes(content[start - 2 : start], "big")
            if max(start, at) > len(content):
                raise Unsound(f"{name} ends within an entry")
            yield content[start:at]
        if at != len(content):
            raise Unsound(f"{name} holds more than its {width} entries")


class Tree:
    """The tree as it is rebuilt: its right edge, and the hashes that belong into tiles."""

    def __init__(self) -> None:
        self.size, self.peaks = 0, list[bytes]()
        self.levels: dict[int, bytearray] = {}

    def add(self, node: bytes) -> None:
        """Add one leaf hash."""
        height, carry = 0, self.size
        self.levels.setdefault(0, bytearray()).extend(node)
        while carry & 1:
            node = sha256(b"\x01" + self.peaks.pop() + node).digest()
            height, carry = height + 1, carry >> 1
            if not height & 7:
                self.levels.setdefault(height >> 3, bytearray()).extend(node)
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of everything added so far."""
        node = self.peaks[-1] if self.peaks else EMPTY_ROOT
        for peak in self.peaks[-2::-1]:
            node = sha256(b"\x01" + peak + node).digest()
        return node

    def tiles(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path and content of every tile."""
        for level, hashes in self.levels.items():
            for first in range(0, len(hashes), WIDTH * HASH):
                tile = bytes(hashes[first : first + WIDTH * HASH])
                yield tile_path(level, first // (WIDTH * HASH), len(tile) // HASH), tile


def verify_export(folder: Path, key: Key, earlier: Sequence[Path], checks: Checks) -> None:
    """Rebuild the tree from the entries' bytes; hold every checkpoint and tile against it."""
    latest = open_checkpoint(read(folder / "checkpoint").decode(), key)
    checks.add("signature", True, f"the log {key.name} has {latest.size} entries")
    lines = [parse_json(line, "a line") for line in read(folder / "checkpoints.jsonl").splitlines()]
    listed = [open_checkpoint(member(line, "note", str, "a line"), key) for line in lines]
    kept = [(path, open_checkpoint(read(path).decode(), key)) for path in earlier]
    wanted = {head.size for head in listed} | {head.size for _, head in kept}
    tree, roots = Tree(), {0: EMPTY_ROOT}
    for entry in entries(folder, latest.size):
        tree.add(sha256(b"\x00" + entry).digest())
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    root, signed = tree.root().hex(), latest.root.hex()
    wrong = f"their root is {root}, signed was {signed}"
    checks.add("entries", root == signed, f"their root is {root}, as signed", wrong)
    tiles = ((folder / name, tile) for name, tile in tree.tiles())
    bad = [str(path) for path, tile in tiles if not path.is_file() or read(path) != tile]
    checks.add("tiles", not bad, "every tile agrees", f"missing or different: {bad[:5]}")
    other = [head.size for head in listed if roots.get(head.size) != head.root]
    checks.add("checkpoints", not other, f"all {len(listed)} agree", f"forked: {other[:5]}")
    for path, head in kept:
        right = f"its {head.size} entries are the beginning of this log"
        wrong = f"its {head.size} entries are not the beginning of this log of {latest.size}"
        checks.add(f"earlier {path.name}", roots.get(head.size) == head.root, right, wrong)


def verify_passport(passport: Path, image: Path, key: Key, checks: Checks) -> None:
    """Hold one image against its passport, and the passport's approval against the log."""
    document = parse_json(read(passport), "the passport")
    release = member(document, "release", dict, "the passport")
    proof = member(document, "ledger", dict, "the passport")
    marked = member(release, "marked_sha256", str, "the release")
    reviewed = member(release, "reviewed_sha256", str, "the release")
    found = sha256(read(image)).hexdigest()
    wrong = f"its sha256 is {found}, the passport is of {marked}"
    checks.add("image", found == marked, f"its sha256 is {marked}", wrong)
    head = open_checkpoint(member(proof, "checkpoint", str, "the proof"), key)
    checks.add("signature", True, f"the log {key.name} had {head.size} entries")
    steps = member(proof, "proof", list, "the proof")
    if len(steps) > MAX_PATH or not all(re.fullmatch("[0-9a-f]{64}", str(step)) for step in steps):
        raise Unsound("the proof is not a list of hashes")
    path = [bytes.fromhex(step) for step in steps]
    entry = unbase64(member(proof, "entry", str, "the proof"), "the entry")
    index = member(proof, "leaf_index", int, "the proof")
    is_in = includes(sha256(b"\x00" + entry).digest(), index, path, head)
    checks.add("inclusion", is_in, f"the entry is number {index}", "the entry is not in the log")
    content = parse_json(entry, "the entry")
    event, right = content.get("event"), f"approved at {content.get('at')}"
    checks.add("approval", event == "review.case.approved", right, f"the entry is of {event}")
    approved = member(content, "subject", dict, "the entry").get("sha256")
    wrong = f"the approval is of {approved}, released was {reviewed}"
    checks.add("bytes", approved == reviewed, f"the approval is of {reviewed}", wrong)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks that the command line asks for."""
    parser = argparse.ArgumentParser(description="Verify a ledger export or a passport, offline.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    export, passport = kinds.add_parser("export"), kinds.add_parser("passport")
    export.add_argument("folder", type=Path)
    export.add_argument("--earlier", type=Path, action="append", default=[])
    passport.add_argument("passport", type=Path)
    passport.add_argument("--image", type=Path, required=True)
    for kind in (export, passport):
        kind.add_argument("--key", required=True)
        kind.add_argument("--json", action="store_true", help="print one JSON line instead")
    given, checks = parser.parse_args(arguments), Checks()
    try:
        if given.kind == "export":
            verify_export(given.folder, parse_key(given.key), given.earlier, checks)
        else:
            verify_passport(given.passport, given.image, parse_key(given.key), checks)
    except (Unsound, OSError, ValueError) as error:
        checks.add("input", False, "", str(error))
    holds = all(check["holds"] for check in checks)
    lines = [f"{'ok  ' if c['holds'] else 'FAIL'} {c['check']}: {c['detail']}" for c in checks]
    report = json.dumps({"holds": holds, "checks": checks}) if given.json else "\n".join(lines)
    sys.stdout.write(report + "\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
