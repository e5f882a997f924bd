"""A body without end, against the web process as installed: one answer, and the line is cut."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests import processes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]
LIMIT_BYTES = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
PIECE = b"x" * 65_536
HEAD = b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Start the web process; give the port that it chose."""
    with processes.floor(tmp_path) as floor:
        floor.start("web")
        found = floor.wait_for(
            "The web process", lambda: re.search(r"http://127\.0\.0\.1:(\d+)", floor.logs())
        )
        yield int(found.group(1))


def answer_to(line: socket.socket) -> tuple[bytes, bytes]:
    """Read until the server hangs up; return the head and the body."""
    received = b""
    while piece := line.recv(65_536):
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def check_refused(line: socket.socket) -> None:
    head, body = answer_to(line)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"content-type: application/problem+json" in head.lower()
    assert json.loads(body)["code"] == "payload_too_large"


class TestALargeBody:
    def test_is_refused_by_what_it_declares_and_by_what_it_sends(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (LIMIT_BYTES + 1))
            check_refused(line)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(LIMIT_BYTES // len(PIECE)):
                line.sendall(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
            line.sendall(b"1\r\nx\r\n")
            check_refused(line)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert answer_to(line)[0].startswith(b"HTTP/1.1 200 ")
