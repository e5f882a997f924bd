"""A proxy between a client and a server that breaks the line in the ways that networks do.

It runs in a thread of its own. Modes: `pass`; `reset` (connections are cut, new ones too);
`blackhole` (bytes are swallowed, the line stays up); `slow` (each piece waits); and
`cut_commit`, for PostgreSQL: the server commits, and the line is cut before the client hears it.
"""

import asyncio
import contextlib
import threading
from typing import Self

HOST = "127.0.0.1"
PIECE = 65_536
# CommandComplete of a COMMIT: 'C', a length of 11, and the tag (PostgreSQL protocol 3, 55.7).
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
SLOW_S = 0.2


class FaultProxy:
    """One listening port in front of one server."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.mode = "pass"
        self.commits_cut = 0
        self._loop = asyncio.new_event_loop()
        self._lines: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="fault-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def set(self, mode: str) -> None:
        """Break the line in one of the ways above, or mend it with `pass`."""
        self.mode = mode
        if mode == "reset":
            self._loop.call_soon_threadsafe(self._cut_all)

    def _cut_all(self) -> None:
        for line in tuple(self._lines):
            line.transport.abort()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._line, HOST, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._cut_all()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "reset":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._lines |= ends
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, from_server=False),
                self._pump(far_reader, writer, from_server=True),
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._lines -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        while piece := await reader.read(PIECE):
            if self.mode == "blackhole":
                continue
            if self.mode == "slow":
                await asyncio.sleep(SLOW_S)
            if from_server and self.mode == "cut_commit" and COMMITTED in piece:
                self.commits_cut += 1
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
