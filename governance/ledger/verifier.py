"""Verifies an exported ledger, or one image's passport, offline; it stands alone and trusts no server.

    python -I verifier.py export FOLDER --key VKEY [--earlier CHECKPOINT]...
    python -I verifier.py passport PASSPORT --image FILE --key VKEY

VKEY is the log's public key (C2SP vkey), as text or a file. CHECKPOINT is a checkpoint kept from
before: without one, a history that the holder of the signing key rewrote as a whole cannot be told
from the true one. A passport's approval is of the reviewed bytes; that the marked file was made
from them is what its C2PA manifest signs, and is not looked at here. One line per check; exit
status 0 only if all hold. Needs Python 3.11 and `cryptography`, and imports nothing of ours.
Formats: RFC 6962 section 2.1; C2SP signed-note, tlog-checkpoint, tlog-tiles.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_PATH = 64
NAME, SIZE = re.compile(r"[^\s+\x00-\x1f]{1,200}"), re.compile(r"0|[1-9][0-9]{0,18}")


class Unsound(Exception):
    """Input that is missing, malformed or not signed: the sentence says which and why."""


class Key(NamedTuple):
    """The log's name, the id before its signatures, and its public key."""

    name: str
    id: bytes
    public: bytes


class Head(NamedTuple):
    """What a verified checkpoint says."""

    size: int
    root: bytes


class Checks:
    """The outcome of each check, printed as it is known."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.done: list[dict[str, Any]] = []

    def record(self, name: str, holds: bool, right: str, wrong: str = "") -> None:
        """Record whether something holds, in the words for either case."""
        detail = right if holds else wrong
        self.done.append({"check": name, "holds": holds, "detail": detail})
        if not self.as_json:
            print(f"{'ok  ' if holds else 'FAIL'} {name}: {detail}")


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children as their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def includes(leaf: bytes, index: int, path: Sequence[bytes], head: Head) -> bool:
    """Tell whether the path leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < head.size:
        return False
    here, last, node = index, head.size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = node_hash(step, node)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            node = node_hash(node, step)
        here, last = here >> 1, last >> 1
    return last == 0 and node == head.root


def unbase64(text: str, what: str) -> bytes:
    """Decode base64 in its one canonical form."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Unsound(f"{what} is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise Unsound(f"{what} is not canonical base64")
    return raw


def read(path: Path) -> bytes:
    """Read a file of reasonable size."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Unsound(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > MAX_FILE_BYTES:
        raise Unsound(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return content


def read_text(path: Path) -> str:
    """Read a UTF-8 file."""
    try:
        return read(path).decode()
    except UnicodeDecodeError as error:
        raise Unsound(f"{path} is not UTF-8") from error


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
    """Return a member that must be there and of this kind."""
    value = container.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Unsound(f"{what} has no proper “{name}”")
    return value


def parse_key(given: str) -> Key:
    """Read a vkey, given as text or as a file that holds it."""
    text = (given if "+" in given and "\n" not in given else read_text(Path(given))).strip()
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = unbase64(encoded, "the key")
    if not NAME.fullmatch(name) or raw[:1] != b"\x01" or len(raw) != 33:
        raise Unsound("the key is not an Ed25519 vkey")
    expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if expected.hex() != key_id:
        raise Unsound("the key's id does not belong to it")
    return Key(name, expected, raw[1:])


def open_checkpoint(note: str, key: Key) -> Head:
    """Verify a signed note and return the tree head it states."""
    text, blank, block = note.rpartition("\n\n")
    lines = block.split("\n")
    if not blank or lines.pop() or not 1 <= len(lines) <= 16:
        raise Unsound("the checkpoint is not a signed note")
    if any(character < " " and character != "\n" for character in note):
        raise Unsound("the checkpoint contains control characters")
    signatures = []
    for dash, name, encoded in (f"{line}  ".split(" ")[:3] for line in lines):
        raw = unbase64(encoded, "a signature")
        if dash != "—" or len(raw) < 5:
            raise Unsound("the checkpoint has a malformed signature line")
        if (name, raw[:4]) == (key.name, key.id):
            signatures.append(raw[4:])
    if not signatures:
        raise Unsound(f"the checkpoint carries no signature of {key.name} with this key")
    for signature in signatures:
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, f"{text}\n".encode())
        except (InvalidSignature, ValueError) as error:
            raise Unsound("the signature of the checkpoint does not verify") from error
    origin, size, root = f"{text}\n\n".split("\n")[:3]
    if origin != key.name:
        raise Unsound(f"the checkpoint is of the log “{origin}”, the key is of “{key.name}”")
    if not SIZE.fullmatch(size) or len(unbase64(root, "the root")) != 32:
        raise Unsound("the checkpoint has no proper size or root")
    return Head(int(size), unbase64(root, "the root"))


def tile_path(level: int | str, number: int, width: int) -> str:
    """Return the path of a tile or entry bundle."""
    name, number = f"{number % 1000:03d}", number // 1000
    while number:
        name, number = f"x{number % 1000:03d}/{name}", number // 1000
    return f"tile/{level}/{name}" + ("" if width == 256 else f".p/{width}")


def entries(folder: Path, size: int) -> Iterator[bytes]:
    """Yield the exact bytes of every entry, in order."""
    for first in range(0, size, 256):
        width = min(256, size - first)
        name = tile_path("entries", first // 256, width)
        content, at = read(folder / name), 0
        for _ in range(width):
            start = at + 2
            at = start + int.from_bytes(content[at:start], "big")
            if start > len(content) or at > len(content):
                raise Unsound(f"{name} ends within an entry")
            yield content[start:at]
        if at != len(content):
            raise Unsound(f"{name} has more than {width} entries")


class Tree:
    """The right edge of the tree as it is rebuilt, and the tiles that fill up on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.size = folder, 0
        self.peaks: list[bytes] = []
        self.tiles: dict[int, list[bytes]] = {}
        self.wrong_tiles: list[str] = []

    def add(self, node: bytes) -> None:
        """Add one leaf hash."""
        height, carry = 0, self.size
        self.enter_tile(0, node)
        while carry & 1:
            node = node_hash(self.peaks.pop(), node)
            height, carry = height + 1, carry >> 1
            if not height & 7:
                self.enter_tile(height >> 3, node)
        self.peaks.append(node)
        self.size += 1

    def enter_tile(self, level: int, node: bytes) -> None:
        """Put a hash into its tile; compare the tile once it is full."""
        tile = self.tiles.setdefault(level, [])
        tile.append(node)
        if len(tile) == 256:
            self.compare(level, ((self.size + 1) >> 8 * (level + 1)) - 1)

    def compare(self, level: int, number: int) -> None:
        """Compare one rebuilt tile with the exported one."""
        name = tile_path(level, number, len(self.tiles[level]))
        path = self.folder / name
        if not path.is_file() or read(path) != b"".join(self.tiles[level]):
            self.wrong_tiles.append(name)
        self.tiles[level] = []

    def root(self) -> bytes:
        """Return the root of everything added so far."""
        node = self.peaks[-1] if self.peaks else EMPTY_ROOT
        for peak in self.peaks[-2::-1]:
            node = node_hash(peak, node)
        return node


def verify_export(folder: Path, key: Key, earlier: Sequence[Path], checks: Checks) -> None:
    """Rebuild the tree from the entries' bytes; hold every checkpoint and tile against it."""
    latest = open_checkpoint(read_text(folder / "checkpoint"), key)
    checks.record("signature", True, f"the log {key.name} has {latest.size} entries")
    listed = []
    for line in read_text(folder / "checkpoints.jsonl").splitlines():
        note = member(parse_json(line, "checkpoints.jsonl"), "note", str, "checkpoints.jsonl")
        listed.append(open_checkpoint(note, key))
    kept = [(path, open_checkpoint(read_text(path), key)) for path in earlier]
    wanted = {head.size for head in listed} | {head.size for _, head in kept}
    tree = Tree(folder)
    roots = {0: EMPTY_ROOT}
    for entry in entries(folder, latest.size):
        tree.add(leaf_hash(entry))
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    for level in [level for level, tile in tree.tiles.items() if tile]:
        tree.compare(level, tree.size >> 8 * (level + 1))
    root = tree.root().hex()
    checks.record(
        "entries",
        tree.root() == latest.root,
        f"they have the signed root {root}",
        f"they have the root {root}, signed was {latest.root.hex()}",
    )
    wrong = ", ".join(tree.wrong_tiles[:5])
    checks.record("tiles", not wrong, "every tile agrees", f"missing or different: {wrong}")
    bad = [head.size for head in listed if roots.get(head.size) != head.root]
    checks.record(
        "checkpoints",
        not bad,
        f"all {len(listed)} are of this history",
        f"of another history: {bad[:5]}",
    )
    for path, head in kept:
        extended = roots.get(head.size) == head.root
        lost = f"{head.size} entries were signed, {latest.size} are left: the end was cut off"
        checks.record(
            f"earlier {path.name}",
            extended,
            f"its {head.size} entries are the beginning of this log",
            lost
            if head.size > latest.size
            else f"its {head.size} entries are not the beginning of this log",
        )


def verify_passport(passport: Path, image: Path, key: Key, checks: Checks) -> None:
    """Hold one image against its passport, and the passport's approval against the log."""
    document = parse_json(read(passport), "the passport")
    release = member(document, "release", dict, "the passport")
    proof = member(document, "ledger", dict, "the passport")
    marked = member(release, "marked_sha256", str, "the release")
    reviewed = member(release, "reviewed_sha256", str, "the release")
    found = hashlib.sha256(read(image)).hexdigest()
    checks.record(
        "image",
        found == marked,
        f"its sha256 is {marked}",
        f"its sha256 is {found}, the passport is of {marked}",
    )
    head = open_checkpoint(member(proof, "checkpoint", str, "the proof"), key)
    checks.record("signature", True, f"the log {key.name} had {head.size} entries")
    steps = member(proof, "proof", list, "the proof")
    if len(steps) > MAX_PATH or not all(
        isinstance(step, str) and re.fullmatch(r"[0-9a-f]{64}", step) for step in steps
    ):
        raise Unsound("the proof is not a list of hashes")
    entry = unbase64(member(proof, "entry", str, "the proof"), "the entry")
    index = member(proof, "leaf_index", int, "the proof")
    checks.record(
        "inclusion",
        includes(leaf_hash(entry), index, [bytes.fromhex(s) for s in steps], head),
        f"the entry is number {index} of the log",
        "the entry is not in the signed log",
    )
    content = parse_json(entry, "the entry")
    subject = member(content, "subject", dict, "the entry")
    checks.record(
        "approval",
        content.get("event") == "review.case.approved",
        f"approved at {content.get('at')}",
        f"the entry is a {content.get('event')}",
    )
    checks.record(
        "bytes",
        subject.get("sha256") == reviewed,
        f"the approval is of {reviewed}",
        f"the approval is of {subject.get('sha256')}, released was {reviewed}",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks that the command line asks for."""
    parser = argparse.ArgumentParser(description="Verify a ledger export or a passport, offline.")
    parser.add_argument("--json", action="store_true", help="print one JSON line instead")
    kinds = parser.add_subparsers(dest="kind", required=True)
    export, passport = kinds.add_parser("export"), kinds.add_parser("passport")
    export.add_argument("folder", type=Path)
    export.add_argument("--earlier", type=Path, action="append", default=[])
    passport.add_argument("passport", type=Path)
    passport.add_argument("--image", type=Path, required=True)
    for kind in (export, passport):
        kind.add_argument("--key", required=True)
        kind.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    checks = Checks(as_json=given.json)
    try:
        key = parse_key(given.key)
        if given.kind == "export":
            verify_export(given.folder, key, given.earlier, checks)
        else:
            verify_passport(given.passport, given.image, key, checks)
    except Unsound as error:
        checks.record("input", False, "", str(error))
    holds = bool(checks.done) and all(check["holds"] for check in checks.done)
    if given.json:
        print(json.dumps({"holds": holds, "checks": checks.done}, ensure_ascii=False))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
