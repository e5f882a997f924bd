"""A small server that speaks the OpenAI images API: it renders with the real engine, or misbehaves.

`ways` says what it does with each further order; after the last one it goes on as that one.
"""

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from generation.engines import registry
from generation.engines.spec import RunSpec
from generation.packs.manifest import Pack

PATIENCE_S = 20
DATA = b'{"data": [{"b64_json": "'


@dataclass
class ImagesServer:
    """What the server was told to do, and what it was asked for."""

    pack: Pack | None = None
    ways: Sequence[str] = ("well",)
    orders: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    # Set once whoever ordered hung up on a server that kept them waiting, and to let it go on.
    left: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def next_way(self) -> str:
        """Return what is to be done with the latest order."""
        return self.ways[min(len(self.orders), len(self.ways)) - 1]

    def render(self, order: dict[str, Any]) -> Image.Image:
        """Make the image with the tiny model, as the fields of vLLM-Omni say."""
        assert self.pack is not None
        width, height = map(int, str(order["size"]).split("x"))
        spec = RunSpec(
            folder=self.pack.model.folder,
            snapshot_sha256=self.pack.model.snapshot_sha256,
            pipeline=self.pack.model.pipeline,
            prompt=order["prompt"],
            negative_prompt=order.get("negative_prompt", ""),
            width=width,
            height=height,
            steps=order["num_inference_steps"],
            guidance=order["guidance_scale"],
            seed=order["seed"],
            max_sequence_length=32,
            device="cpu",
            dtype="float32",
        )
        made = registry.find(spec.pipeline).render(spec, lambda _done, _of: None)
        return Image.fromarray(made.pixels, "RGB")


@contextmanager
def serving(
    server: ImagesServer, certificate: tuple[Path, Path] | None = None
) -> Iterator[ImagesServer]:
    """Serve on a port of this machine until the block ends; with a certificate and key over TLS."""

    class Handler(_Handler):
        fake = server

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        try:
            yield server
        finally:
            server.over.set()
            http.shutdown()
            thread.join()


def png(image: Image.Image) -> bytes:
    """Encode an image."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    fake: ImagesServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._note()
        self._answer(200, json.dumps({"version": "9.9.1"}).encode())

    def do_POST(self) -> None:
        self._note()
        length = int(self.headers["Content-Length"])
        self.fake.orders.append(json.loads(self.rfile.read(length)))
        getattr(self, f"_{self.fake.next_way()}")(self.fake.orders[-1])

    def _note(self) -> None:
        self.fake.paths.append(self.path)
        self.fake.headers.append({name.lower(): value for name, value in self.headers.items()})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pictures(self, *files: bytes) -> None:
        texts = [base64.b64encode(file).decode() for file in files]
        self._answer(200, json.dumps({"data": [{"b64_json": text} for text in texts]}).encode())

    def _well(self, order: dict[str, Any]) -> None:
        self._pictures(png(self.fake.render(order)))

    def _red(self, order: dict[str, Any]) -> None:
        self._pictures(png(Image.new("RGB", _size(order), "red")))

    def _small(self, _order: dict[str, Any]) -> None:
        self._pictures(png(Image.new("RGB", (64, 64), "red")))

    def _black(self, order: dict[str, Any]) -> None:
        self._pictures(png(Image.new("RGB", _size(order), "black")))

    def _moving(self, order: dict[str, Any]) -> None:
        buffer, frames = BytesIO(), [Image.new("RGB", _size(order), c) for c in ("red", "blue")]
        frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
        self._pictures(buffer.getvalue())

    def _two(self, order: dict[str, Any]) -> None:
        self._pictures(*[png(Image.new("RGB", _size(order), "red"))] * 2)

    def _none(self, _order: dict[str, Any]) -> None:
        self._pictures()

    def _text(self, _order: dict[str, Any]) -> None:
        self._pictures(b"I am no picture")

    def _link(self, _order: dict[str, Any]) -> None:
        self._answer(200, b'{"data": [{"url": "http://127.0.0.1:1/image.png"}]}')

    def _page(self, _order: dict[str, Any]) -> None:
        self._answer(200, b"<html>welcome</html>")

    def _nested(self, _order: dict[str, Any]) -> None:
        self._answer(200, b"[" * 30_000)

    def _huge(self, _order: dict[str, Any]) -> None:
        self.send_response(200)
        self.end_headers()
        self._write_until_left(b"A" * 65_536)

    def _drip(self, _order: dict[str, Any]) -> None:
        self.send_response(200)
        self.end_headers()
        self._write_until_left(b" ", pause_s=0.02)

    def _hang(self, _order: dict[str, Any]) -> None:
        self._wait_until_left()

    def _cut(self, _order: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(DATA)

    def _failing(self, order: dict[str, Any]) -> None:
        self._answer(500, json.dumps({"error": {"message": order["prompt"]}}).encode())

    def _refusing(self, order: dict[str, Any]) -> None:
        self._answer(400, json.dumps({"error": {"message": order["prompt"]}}).encode())

    def _busy(self, _order: dict[str, Any]) -> None:
        self._answer(429, b"{}", Retry_After="0")

    def _redirect(self, _order: dict[str, Any]) -> None:
        self._answer(307, b"", Location=f"{self.fake.url}/elsewhere")

    def _write_until_left(self, part: bytes, *, pause_s: float = 0) -> None:
        """Send more and more; whoever reads must end it."""
        try:
            while not self.fake.over.wait(pause_s):
                self.wfile.write(part)
        except OSError:
            self.fake.left.set()

    def _wait_until_left(self) -> None:
        """Answer nothing; see when the other side hangs up."""
        self.connection.settimeout(PATIENCE_S)
        try:
            if not self.connection.recv(1, socket.MSG_PEEK):
                self.fake.left.set()
        except OSError:
            self.fake.left.set()
        self.close_connection = True


def _size(order: dict[str, Any]) -> tuple[int, int]:
    width, height = str(order["size"]).split("x")
    return int(width), int(height)
