"""The S3 destination against services that lie, stall, break off or forget to answer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from imprimatur.publishing.destinations import registry
from imprimatur.publishing.destinations.protocol import (
    DeliveryCorrupt,
    Destination,
    DestinationConflict,
    DestinationError,
    DestinationRefused,
    DestinationUnreachable,
)

from governance.kernel.digests import sha256_hex

IMAGE = b"the marked bytes" * 5_000
KEY = "image.png"


@dataclass
class Faulty:
    """One object and the ways in which its service fails: each takes and gives body and status."""

    stored: bytes | None = None
    put_status: list[int] = field(default_factory=list)
    loses_answers: int = 0
    alter: Callable[[bytes], bytes] = bytes
    cut_at: int | None = None
    stalls: threading.Event | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)


class FaultyServer(ThreadingHTTPServer):
    """Serves one object on loopback, as badly as `fault` says."""

    def __init__(self, fault: Faulty) -> None:
        super().__init__(("127.0.0.1", 0), FaultyService)
        self.fault = fault


class FaultyService(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def log_message(self, *_args: object) -> None:
        pass

    def do_PUT(self) -> None:
        fault, data = self.server.fault, self._body()
        fault.seen.append(("PUT", self.headers.get("If-None-Match", "")))
        if fault.stalls is not None:
            fault.stalls.wait(10)
            self.close_connection = True
        elif fault.put_status:
            self._answer(fault.put_status.pop(0))
        elif fault.stored is not None:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        elif fault.loses_answers:
            fault.stored = data
            fault.loses_answers -= 1
            self.close_connection = True
        else:
            fault.stored = data
            self._answer(200)

    def do_GET(self) -> None:
        fault = self.server.fault
        fault.seen.append((self.command, ""))
        if fault.stored is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        whole = fault.alter(fault.stored)
        sent = whole if fault.cut_at is None else whole[: fault.cut_at]
        self._answer(200, sent, len(whole))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.server.fault.stored = None
        self._answer(204)

    def _answer(self, status: int, body: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("ETag", '"etag"')
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if length is not None and length != len(body):
            self.close_connection = True

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return whole


@contextmanager
def serve(fault: Faulty) -> Iterator[str]:
    server = FaultyServer(fault)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        if fault.stalls is not None:
            fault.stalls.set()
        server.shutdown()
        server.server_close()
        thread.join()


def connect(endpoint: str, **config: object) -> Destination:
    return registry.connect(
        "s3",
        {
            "bucket": "assets",
            "region": "us-east-1",
            "endpoint_url": endpoint,
            "connect_timeout_s": 1,
            "read_timeout_s": 1,
            **config,
        },
        {"access_key_id": "canary-id", "secret_access_key": "canary-secret"},
    )


def put(destination: Destination) -> None:
    destination.put(
        KEY, IMAGE, sha256=sha256_hex(IMAGE), media_type="image/png", metadata={"release-id": "r"}
    )


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


class TestCorruption:
    def test_is_absent_from_an_honest_service(self) -> None:
        with serve(Faulty()) as endpoint:
            destination = connect(endpoint)
            put(destination)
            destination.verify(KEY, sha256_hex(IMAGE))

    def test_of_one_bit_on_the_way_back_is_seen(self) -> None:
        def flip(data: bytes) -> bytes:
            return data[:100] + bytes([data[100] ^ 1]) + data[101:]

        with serve(Faulty(alter=flip)) as endpoint:
            destination = connect(endpoint)
            put(destination)
            with pytest.raises(DeliveryCorrupt):
                destination.verify(KEY, sha256_hex(IMAGE))

    def test_of_what_an_earlier_try_left_is_a_conflict(self) -> None:
        with serve(Faulty(stored=IMAGE[:-1])) as endpoint, pytest.raises(DestinationConflict):
            put(connect(endpoint))

    def test_by_half_a_body_is_no_answer(self) -> None:
        with serve(Faulty(stored=IMAGE, cut_at=1000)) as endpoint:
            destination = connect(endpoint)
            with pytest.raises(DestinationUnreachable):
                destination.verify(KEY, sha256_hex(IMAGE))


class TestLostAnswer:
    def test_after_a_write_meets_its_own_bytes(self) -> None:
        fault = Faulty(loses_answers=1)
        with serve(fault) as endpoint:
            put(connect(endpoint))
        assert fault.stored == IMAGE
        assert [method for method, _ in fault.seen] == ["PUT", "PUT", "HEAD", "GET"]

    def test_never_drops_the_condition_when_trying_again(self) -> None:
        fault = Faulty(put_status=[503, 500])
        with serve(fault) as endpoint:
            put(connect(endpoint))
        assert fault.seen == [("PUT", "*")] * 3


class TestUnavailable:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (500, DestinationUnreachable),
            (503, DestinationUnreachable),
            (429, DestinationUnreachable),
            (401, DestinationRefused),
            (403, DestinationRefused),
        ],
    )
    def test_answers_are_sorted_into_later_and_never(
        self, status: int, expected: type[DestinationError]
    ) -> None:
        with serve(Faulty(put_status=[status] * 9)) as endpoint, pytest.raises(expected):
            put(connect(endpoint))

    def test_service_that_stalls_is_left_after_the_timeout(self) -> None:
        with serve(Faulty(stalls=threading.Event())) as endpoint:
            destination = connect(endpoint, read_timeout_s=0.1)
            with pytest.raises(DestinationUnreachable):
                put(destination)

    def test_service_that_is_not_there_is_unreachable(self) -> None:
        with serve(Faulty()) as endpoint:
            pass
        destination = connect(endpoint, quarantine="ward")
        for act in (
            lambda: put(destination),
            lambda: destination.verify(KEY, sha256_hex(IMAGE)),
            lambda: destination.remove(KEY, sha256_hex(IMAGE)),
            lambda: list(destination.list("campaign")),
            lambda: destination.quarantine(KEY, "finding-1"),
        ):
            with pytest.raises(DestinationUnreachable) as failure:
                act()
            assert failure.value.is_transient
            assert "canary" not in failure.value.detail + str(failure.value.facts)

    def test_key_that_others_keep_busy_is_tried_a_few_times(self) -> None:
        fault = Faulty(put_status=[409] * 9)
        with serve(fault) as endpoint, pytest.raises(DestinationUnreachable):
            put(connect(endpoint))
        assert [method for method, _ in fault.seen] == ["PUT", "HEAD"] * 3


class TestEnvironment:
    def test_redirects_no_byte(self, monkeypatch: pytest.MonkeyPatch) -> None:
        configured, other = Faulty(), Faulty()
        with serve(configured) as endpoint, serve(other) as elsewhere:
            for name in ("NO_PROXY", "no_proxy"):
                monkeypatch.delenv(name, raising=False)
            for name in ("HTTP_PROXY", "http_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
                monkeypatch.setenv(name, elsewhere)
            put(connect(endpoint))
        assert configured.stored == IMAGE
        assert other.seen == []
