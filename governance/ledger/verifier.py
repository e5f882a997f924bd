"""Verifies an exported ledger, one entry's proof or an image's passport: offline, trusting nobody.

    python -I verifier.py export FOLDER | proof FILE | passport PASSPORT --image FILE
        --key VKEY [--witness VKEY]... [--quorum N] [--earlier CHECKPOINT]... [--json]

VKEY is a C2SP vkey as text, or a file of them. Each --key must have signed: the log's Ed25519 key
and, where it has one, its ML-DSA-44 key. Of the witnesses, --quorum must have cosigned, or all.
CHECKPOINT is one kept from before: a history that the holder of the signing keys rewrote as a whole
can be told from the true one only by it or by a witness. That an image was made from the reviewed
bytes is signed in its C2PA manifest, not looked at here. Exit status 0 only if all checks hold.
Needs `cryptography`. Formats: RFC 6962; C2SP signed-note, tlog-*.
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

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH, WIDTH, KEY_ID, MAX_SIGNATURES, MAX_PATH, MAX_FILE_BYTES = 32, 256, 4, 16, 64, 2**26
NAME, SIZE = re.compile(r"[^\s+\x00-\x1f]{1,200}"), re.compile(r"0|[1-9][0-9]{0,18}")
ED25519, COSIGNATURE, ML_DSA = 1, 4, 6
KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA: 1312}


class Key(NamedTuple):
    """Whose key it is, the id before its signatures, its C2SP type and its public bytes."""

    name: str
    id: bytes
    kind: int
    public: bytes


# What a verified checkpoint says, and who signed it: size, root, signers.
Head = tuple[int, bytes, set[Key]]


class Checks(list[dict[str, Any]]):
    """The outcome of each check, in order."""

    def add(self, name: str, holds: bool, right: str, wrong: str = "") -> None:
        """Record whether something holds, in the words for either case."""
        self.append({"check": name, "holds": holds, "detail": right if holds else wrong})


def unbase64(text: str, what: str) -> bytes:
    """Decode base64, which must be in its one canonical form."""
    raw = base64.b64decode(text)
    if base64.b64encode(raw).decode() != text:
        raise ValueError(f"{what} is not canonical base64")
    return raw


def read(path: Path) -> bytes:
    """Read a file of reasonable size."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return path.read_bytes()


def member(container: Any, name: str, kind: type, what: str) -> Any:
    """Return a member of a JSON object, which must be there and exactly of this kind."""
    if not isinstance(container, dict) or type(container.get(name)) is not kind:
        raise ValueError(f"{what} is no JSON object with a proper “{name}”")
    return container[name]


def parse_keys(given: str, *kinds: int) -> Iterator[Key]:
    """Read vkeys of these kinds, given as text or as a file that holds one a line."""
    is_text = re.fullmatch(r"[^+]+\+[0-9a-f]{8}\+\S+", given.strip())
    for line in (given if is_text else read(Path(given)).decode()).strip().split("\n"):
        name, key_id, encoded = [*line.strip().split("+", 2), "", ""][:3]
        raw = unbase64(encoded, "the key") or b"\0"
        if not NAME.fullmatch(name) or raw[0] not in kinds or len(raw) - 1 != KEY_BYTES[raw[0]]:
            raise ValueError("the key is no vkey of a kind that signs here")
        if sha256(name.encode() + b"\n" + raw).digest()[:KEY_ID].hex() != key_id:
            raise ValueError("the key's id does not belong to it")
        yield Key(name, bytes.fromhex(key_id), raw[0], raw[1:])


def confirm(key: Key, made: bytes, text: bytes, origin: bytes, size: int, root: bytes) -> None:
    """Let pass, or raise: the signature over the checkpoint verifies, in the form of its kind."""
    time, signature, who = made[:8], made[8:], key.name.encode()
    try:
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.public).verify(made, text)
        elif key.kind == COSIGNATURE:
            message = b"cosignature/v1\ntime %d\n%s" % (int.from_bytes(time, "big"), text)
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        else:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

            message = b"subtree/v1\n\0%c%s%s%c%s" % (len(who), who, time, len(origin), origin)
            message += bytes(8) + size.to_bytes(8, "big") + root
            MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, UnsupportedAlgorithm, ImportError, OverflowError) as error:
        raise ValueError(f"the signature of {key.name} does not verify ({error!r})") from error


def open_checkpoint(note: str, keys: list[Key]) -> Head:
    """Verify a signed note by every key that is known, the log's first; return what it states."""
    text, blank, block = note.rpartition("\n\n")
    *lines, end = block.split("\n")
    is_clean = not re.search(r"[\x00-\x09\x0b-\x1f]", note)
    if not blank or end or len(lines) > MAX_SIGNATURES or not is_clean:
        raise ValueError("the checkpoint is not a signed note")
    origin, size, encoded = f"{text}\n\n".split("\n")[:3]
    root = unbase64(encoded, "the root")
    if origin != keys[0].name or not SIZE.fullmatch(size) or len(root) != HASH:
        raise ValueError("the checkpoint is of another log, or has no proper size or root")
    known, signers = {(key.name, key.id): key for key in keys}, set()
    for dash, name, encoded in (f"{line}  ".split(" ")[:3] for line in lines):
        raw = unbase64(encoded, "a signature")
        if dash != "—" or len(raw) <= KEY_ID:
            raise ValueError("the checkpoint has a malformed signature line")
        if key := known.get((name, raw[:KEY_ID])):
            confirm(key, raw[KEY_ID:], f"{text}\n".encode(), origin.encode(), int(size), root)
            signers.add(key)
    if not any(key.name == origin for key in signers):
        raise ValueError(f"the checkpoint carries no signature of {origin} with a key given here")
    return int(size), root, signers


def check_signers(head: Head, keys: list[Key], quorum: int | None, checks: Checks) -> None:
    """Hold a checkpoint against everybody who must have signed it."""
    (size, _, signers), origin = head, keys[0].name
    log, asked = {key for key in keys if key.name == origin}, {key.name for key in keys} - {origin}
    right = f"the log {origin} has {size} entries, by {len(log)} of its keys"
    checks.add("signature", log <= signers, right, "a key of the log did not sign")
    names = sorted(asked & {key.name for key in signers})
    wanted = len(asked) if quorum is None else quorum
    if asked or wanted:
        said = f"{len(names)} cosigned of the {wanted} it takes: {', '.join(names)}"
        checks.add("witnesses", len(names) >= wanted, said, said)


def includes(leaf: bytes, index: int, path: list[bytes], head: Head) -> bool:
    """Tell whether the path leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    here, last, node = index, head[0] - 1, leaf
    if not 0 <= index <= last or len(path) > MAX_PATH or {len(step) for step in path} - {HASH}:
        return False
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
    return last == 0 and node == head[1]


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
            yield content[start:at]
        if at != len(content):
            raise ValueError(f"{name} does not hold its {width} entries, or not only these")


def rebuild(folder: Path, size: int, wanted: set[int]) -> tuple[dict[int, str], dict[int, bytes]]:
    """Return the roots at the wanted sizes, and the hashes of each level of tiles."""
    peaks, roots, levels = list[bytes](), {0: sha256(b"").hexdigest()}, {0: bytearray()}
    for count, entry in enumerate(entries(folder, size)):
        node, height, carry = sha256(b"\x00" + entry).digest(), 0, count
        levels[0] += node
        while carry & 1:
            node = sha256(b"\x01" + peaks.pop() + node).digest()
            height, carry = height + 1, carry >> 1
            if not height & 7:
                levels.setdefault(height >> 3, bytearray()).extend(node)
        peaks.append(node)
        if count + 1 in wanted:
            for peak in peaks[-2::-1]:
                node = sha256(b"\x01" + peak + node).digest()
            roots[count + 1] = node.hex()
    return roots, {level: bytes(hashes) for level, hashes in levels.items()}


def verify_export(given: argparse.Namespace, keys: list[Key], checks: Checks) -> Head:
    """Rebuild the tree from the entries' bytes; hold every checkpoint and tile against it."""
    folder, listed = given.subject, list[Head]()
    latest = open_checkpoint(read(folder / "checkpoint").decode(), keys)
    kept = [(path.name, open_checkpoint(read(path).decode(), keys)) for path in given.earlier]
    if (folder / "checkpoints.jsonl").is_file():
        with (folder / "checkpoints.jsonl").open("rb") as file:
            notes = (member(json.loads(line), "note", str, "a line") for line in file)
            listed = [open_checkpoint(note, keys) for note in notes]
    wanted = {size for size, _, _ in [latest, *listed, *(head for _, head in kept)]}
    roots, levels = rebuild(folder, latest[0], wanted)
    root, signed = roots[latest[0]], latest[1].hex()
    wrong = f"their root is {root}, signed was {signed}"
    checks.add("entries", root == signed, f"their root is {root}, as signed", wrong)
    bad = []
    for level, hashes in levels.items():
        for at in range(0, len(hashes), WIDTH * HASH):
            tile = hashes[at : at + WIDTH * HASH]
            path = folder / tile_path(level, at // (WIDTH * HASH), len(tile) // HASH)
            bad += [] if path.is_file() and read(path) == tile else [str(path)]
    checks.add("tiles", not bad, "every tile agrees", f"missing or different: {bad[:5]}")
    other = [size for size, root, _ in listed if roots.get(size) != root.hex()]
    checks.add("checkpoints", not other, f"all {len(listed)} agree", f"forked: {other[:5]}")
    for name, (size, known, _) in kept:
        said = f"its {size} entries are the beginning of this log"
        checks.add(f"earlier {name}", roots.get(size) == known.hex(), said, f"not so: {said}")
    return latest


def verify_proof(given: argparse.Namespace, keys: list[Key], checks: Checks) -> Head:
    """Hold one entry, which its proof carries, against the checkpoint in it."""
    proof, _, note = read(given.subject).decode().partition("\n\n")
    found = re.fullmatch(r"c2sp.org/tlog-proof@v1\nextra (.*)\nindex ([0-9]{1,19})((\n.+)*)", proof)
    if found is None:
        raise ValueError("the file is no tlog-proof with its entry")
    hashes = [unbase64(step, "a hash") for step in found[3].split("\n")[1:]]
    head = open_checkpoint(note, keys)
    leaf, index = sha256(b"\x00" + unbase64(found[1], "the entry")).digest(), int(found[2])
    is_in = includes(leaf, index, hashes, head)
    checks.add("inclusion", is_in, f"the entry is number {index}", "the entry is not in the log")
    return head


def verify_passport(given: argparse.Namespace, keys: list[Key], checks: Checks) -> Head:
    """Hold one image against its passport, and the passport's approval against the log."""
    document = json.loads(read(given.subject))
    release = member(document, "release", dict, "the passport")
    proof = member(document, "ledger", dict, "the passport")
    names = ("marked_sha256", "reviewed_sha256")
    marked, reviewed = (member(release, name, str, "the release") for name in names)
    found = sha256(read(given.image)).hexdigest()
    checks.add("image", found == marked, f"its sha256 is {marked}", f"its sha256 is {found}")
    head = open_checkpoint(member(proof, "checkpoint", str, "the proof"), keys)
    path = [bytes.fromhex(str(step)) for step in member(proof, "proof", list, "the proof")]
    entry = unbase64(member(proof, "entry", str, "the proof"), "the entry")
    index = member(proof, "leaf_index", int, "the proof")
    is_in = includes(sha256(b"\x00" + entry).digest(), index, path, head)
    checks.add("inclusion", is_in, f"the entry is number {index}", "the entry is not in the log")
    content = json.loads(entry)
    event = member(content, "event", str, "the entry")
    is_one = event == "review.case.approved"
    checks.add("approval", is_one, f"at {content.get('at')}", f"the entry is of {event}")
    approved = member(content, "subject", dict, "the entry").get("sha256")
    checks.add("bytes", approved == reviewed, f"of {reviewed}", f"of {approved}, not {reviewed}")
    return head


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks that the command line asks for."""
    parser = argparse.ArgumentParser(description="Verify a ledger export, a proof or a passport.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for act in (verify_export, verify_proof, verify_passport):
        kind = kinds.add_parser(act.__name__.removeprefix("verify_"))
        kind.set_defaults(act=act)
        kind.add_argument("subject", type=Path)
        kind.add_argument("--key", action="append", required=True)
        kind.add_argument("--witness", action="append", default=[])
        kind.add_argument("--quorum", type=int)
        kind.add_argument("--json", action="store_true", help="print one JSON line instead")
    kinds.choices["export"].add_argument("--earlier", type=Path, action="append", default=[])
    kinds.choices["passport"].add_argument("--image", type=Path, required=True)
    given, checks = parser.parse_args(arguments), Checks()
    try:
        keys = [key for text in given.key for key in parse_keys(text, ED25519, ML_DSA)]
        keys += [key for text in given.witness for key in parse_keys(text, COSIGNATURE, ML_DSA)]
        check_signers(given.act(given, keys, checks), keys, given.quorum, checks)
    except (OSError, ValueError, RecursionError) as error:
        checks.add("input", False, "", str(error))
    holds = all(check["holds"] for check in checks)
    lines = [f"{'ok  ' if c['holds'] else 'FAIL'} {c['check']}: {c['detail']}" for c in checks]
    report = json.dumps({"holds": holds, "checks": checks}) if given.json else "\n".join(lines)
    sys.stdout.write(report + "\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
