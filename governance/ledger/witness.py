"""A witness: it cosigns a log's checkpoint only if that extends the last one it cosigned.

Its memory is its own, on another machine than the log, written before the answer. It needs neither
Django nor a database: `python -m governance.ledger.witness --help`. Source: C2SP tlog-witness.
"""

import argparse
import base64
import binascii
import fcntl
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.kernel.errors import DomainError
from governance.ledger import keys, merkle, notes
from governance.ledger.errors import CheckpointKeyUnsafe, MalformedNote, SignatureInvalid
from governance.ledger.notes import SigningKey, TreeHead, VerifierKey

KEY_FILE = "witness.key"
SECOND_KEY_FILE = "witness.mldsa.key"
PUBLIC_FILE = "witness.vkey"
MAX_BODY_BYTES = 256 * 1024
MAX_PROOF_LINES = 63
TIMEOUT_S = 10
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the witness says to one request."""

    status: HTTPStatus
    body: str
    media_type: str = "text/plain; charset=utf-8"


class Witness:
    """One witness with its keys, the logs it knows, and the memory of each in its folder."""

    def __init__(
        self, folder: Path, name: str, privates: Sequence[SigningKey], logs: Sequence[VerifierKey]
    ) -> None:
        self._folder = folder
        self._privates = privates
        self._name = notes.checked_name(name)
        self._logs = logs

    @classmethod
    def load(cls, folder: Path, name: str, logs: Sequence[VerifierKey]) -> "Witness":
        """Load the witness of this folder; its keys are made on the first start.

        Raises: CheckpointKeyUnsafe if the folder belongs to a witness of another name.
        """
        if not (folder / PUBLIC_FILE).exists():
            make_keys(folder, name)
        privates: list[SigningKey] = [keys.load_private_key(folder / KEY_FILE)]
        second = keys.find_second_key(folder / SECOND_KEY_FILE)
        privates += [] if second is None else [second]
        public = notes.parse_keys((folder / PUBLIC_FILE).read_text(encoding="utf-8"))
        if public != tuple(notes.cosigner_key(name, private) for private in privates):
            raise CheckpointKeyUnsafe("The folder holds the keys of another witness.")
        return cls(folder, name, privates, logs)

    def add_checkpoint(self, body: str, *, at_s: int) -> Answer:
        """Answer one `add-checkpoint` request; `at_s` is now, in Unix seconds."""
        try:
            old, path, note = _parse(body)
            head = notes.read_tree_head(note)
        except MalformedNote as error:
            return _refusal(HTTPStatus.BAD_REQUEST, error.detail)
        known = [key for key in self._logs if key.name == head.origin]
        if not known:
            return _refusal(HTTPStatus.NOT_FOUND, "This witness does not know the log.")
        if not any(_is_signed(note, key) for key in known):
            return _refusal(HTTPStatus.FORBIDDEN, "No key of the log signed this checkpoint.")
        if old > head.size or not note.startswith(f"{head.text()}\n"):
            return _refusal(HTTPStatus.BAD_REQUEST, "The sizes shrink, or there are extensions.")
        with self._alone(head.origin) as memory:
            return self._cosign(memory, head, note, old, path, at_s)

    def _cosign(
        self,
        memory: Path,
        head: TreeHead,
        note: str,
        old: int,
        path: Sequence[bytes],
        at_s: int,
    ) -> Answer:
        last = self._last(memory, head.origin)
        if old != last.size or (head.size == last.size and head.root != last.root):
            return Answer(HTTPStatus.CONFLICT, f"{last.size}\n", "text/x.tlog.size")
        if not merkle.extends(last.size, head.size, path, last.root, head.root):
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "The consistency proof is wrong.")
        keys.write_whole(memory, json.dumps({"note": note}).encode(), mode=0o600)
        made = [notes.cosign(head, self._name, private, at_s=at_s) for private in self._privates]
        return Answer(HTTPStatus.OK, "".join(made))

    def _last(self, memory: Path, origin: str) -> TreeHead:
        """Return what was cosigned last. A memory that cannot be read is never taken for none."""
        if not memory.exists():
            return TreeHead(origin, 0, merkle.EMPTY_ROOT)
        try:
            head = notes.read_tree_head(json.loads(keys.read_private(memory))["note"])
        except (ValueError, KeyError, TypeError, MalformedNote) as error:
            raise CheckpointKeyUnsafe("The witness's memory is not readable.") from error
        if head.origin != origin:
            raise CheckpointKeyUnsafe("The witness's memory is of another log.")
        return head

    @contextmanager
    def _alone(self, origin: str) -> Iterator[Path]:
        """Yield the log's memory, while every other request about that log waits."""
        memory = self._folder / f"{sha256(origin.encode()).hexdigest()[:32]}.memory"
        handle = os.open(memory.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield memory
        finally:
            os.close(handle)


def make_keys(folder: Path, name: str) -> None:
    """Make the witness's keys (0600), and the public lines, written last."""
    notes.checked_name(name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    first, second = Ed25519PrivateKey.generate(), keys.generate_second()
    public = [notes.cosigner_key(name, first)]
    keys.write_whole(folder / KEY_FILE, keys.private_pem(first), mode=0o600)
    if second is not None:
        keys.write_whole(folder / SECOND_KEY_FILE, keys.private_pem(second), mode=0o600)
        public.append(notes.cosigner_key(name, second))
    text = "".join(f"{key}\n" for key in public)
    keys.write_whole(folder / PUBLIC_FILE, text.encode(), mode=0o644)


def request_body(old: int, path: Sequence[bytes], note: str) -> str:
    """Write the body of an `add-checkpoint` request."""
    lines = [f"old {old}", *(base64.b64encode(step).decode() for step in path)]
    return "\n".join(lines) + "\n\n" + note


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness over HTTP."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S
    server: WitnessServer

    def do_POST(self) -> None:  # the library's name
        """Answer POST /add-checkpoint."""
        answer = self._answer()
        content = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self) -> Answer:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY_BYTES):
            self.close_connection = True
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
        body = self.rfile.read(int(length))
        if self.path != "/add-checkpoint":
            return _refusal(HTTPStatus.NOT_FOUND, "There is only /add-checkpoint.")
        try:
            return self.server.witness.add_checkpoint(body.decode(), at_s=int(time.time()))
        except UnicodeDecodeError:
            return _refusal(HTTPStatus.BAD_REQUEST, "The request is not UTF-8.")
        except (DomainError, OSError) as error:
            self.log_error("Unable to answer: %s", error)
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "The memory cannot be used.")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        sys.stderr.write(f"{self.log_date_time_string()} {format % args}\n")


def _parse(body: str) -> tuple[int, list[bytes], str]:
    """Take a request apart. Raises: MalformedNote."""
    proof, blank, note = body.partition("\n\n")
    first, *lines = proof.split("\n")
    old = _OLD.fullmatch(first)
    if not blank or old is None or len(lines) > MAX_PROOF_LINES:
        raise MalformedNote("The request has no old size, proof and checkpoint.")
    return int(old[1]), [_hash(line) for line in lines], note


def _hash(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != notes.HASH_BYTES:
        raise MalformedNote("A line of the proof is not a hash.")
    return raw


def _is_signed(note: str, key: VerifierKey) -> bool:
    try:
        notes.open_checkpoint(note, key)
    except (MalformedNote, SignatureInvalid):
        return False
    return True


def _refusal(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, f"{why}\n")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what a witness needs to know."""
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--folder", required=True, type=Path, help="its keys and memory")
    parser.add_argument("--name", required=True, help="its name, such as witness.example/w1")
    parser.add_argument(
        "--log-key",
        required=True,
        action="append",
        type=Path,
        metavar="FILE",
        help="a file with the public keys of a log it watches; may be given again",
    )


def serve(*, listen: str, folder: Path, name: str, log_key: Sequence[Path]) -> None:
    """Serve until the process is told to stop. Raises: DomainError, OSError."""
    logs = [key for path in log_key for key in notes.parse_keys(path.read_text(encoding="utf-8"))]
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise MalformedNote("--listen is HOST:PORT.", pointer="/listen")
    witness = Witness.load(folder, name, logs)
    with WitnessServer((host.strip("[]"), int(port)), witness) as server:
        where = f"{server.server_address[0]!s}:{server.server_address[1]}"
        sys.stderr.write(f"Witnessing as {name} on {where}; public keys: {folder / PUBLIC_FILE}\n")
        sys.stderr.flush()
        server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a witness from the command line."""
    parser = argparse.ArgumentParser(description="Witness a log: cosign what extends its past.")
    add_arguments(parser)
    try:
        serve(**vars(parser.parse_args(arguments)))
    except KeyboardInterrupt:
        return 0
    except (DomainError, OSError, ValueError) as error:
        sys.stderr.write(f"Unable to witness: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
