"""The brokers: messages appear whole and once, litter is pruned, a cut line frees its consumer."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from imprimatur.config import broker
from kombu import Connection, Consumer, Queue
from kombu.transport import filesystem, redis

from tests.chaos.proxy import FaultProxy
from tests.processes import ROOT

WRITERS, READERS, EACH = 2, 2, 150
BODY = "x" * 20_000
SIDE = """
import socket, sys
from pathlib import Path
from kombu import Connection, Consumer, Queue
from imprimatur.config import broker
role, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
with Connection("atomicfs://localhost", transport_options=broker.folder_options(folder)) as link:
    queue = Queue("render.cpu", channel=link.channel())
    queue.declare()
    print("ready", flush=True)
    sys.stdin.readline()
    if role == "write":
        with link.Producer(serializer="json") as producer:
            for number in range(%(each)d):
                body = {"id": f"{name}-{number}", "body": "x" * %(length)d}
                producer.publish(body, routing_key="render.cpu")
    else:
        def take(body, message):
            assert body["body"] == "x" * %(length)d
            print(body["id"], flush=True)
            message.ack()
        with Consumer(link, [queue], callbacks=[take], accept=["json"]):
            while True:
                try:
                    link.drain_events(timeout=3)
                except socket.timeout:
                    break
""" % {"each": EACH, "length": len(BODY)}  # noqa: UP031  the program is full of braces


def start(role: str, folder: Path, name: str) -> subprocess.Popen[str]:
    paths = [str(ROOT / "platform"), str(ROOT)]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SIDE, role, str(folder), name],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class TestMessages:
    @pytest.mark.processes
    def test_of_many_writers_arrive_whole_and_once_at_many_readers(self, tmp_path: Path) -> None:
        writers = [start("write", tmp_path, f"writer-{n}") for n in range(WRITERS)]
        readers = [start("read", tmp_path, f"reader-{n}") for n in range(READERS)]
        for process in (*writers, *readers):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in (*readers, *writers):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        arrived: Counter[str] = Counter()
        for process in (*writers, *readers):
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            arrived.update(output.split())
        sent = [f"writer-{w}-{n}" for w in range(WRITERS) for n in range(EACH)]
        assert arrived == Counter(sent)
        assert list((tmp_path / "messages").iterdir()) == []

    def test_are_never_seen_half_written(self, tmp_path: Path) -> None:
        assert torn_reads(broker.Channel, tmp_path) == 0

    def test_would_be_seen_half_written_as_the_library_writes_them(self, tmp_path: Path) -> None:
        """The negative control: the same look at the library's own channel meets a torn message."""
        assert torn_reads(filesystem.Channel, tmp_path) > 0


def torn_reads(kind: type[Any], folder: Path) -> int:
    """Look at every message that appears while one channel writes, and count torn ones."""
    torn, done = 0, threading.Event()
    options = broker.folder_options(folder)

    with Connection("memory://", transport_options=options) as link:
        transport = type("Transport", (filesystem.Transport,), {"Channel": kind})(link)
        channel = kind(transport)

        def write() -> None:
            for number in range(200):
                channel._put("render.cpu", {"body": "x" * 500_000, "number": number})
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not done.is_set():
            for path in Path(str(options["data_folder_in"])).glob("*.msg"):
                try:
                    json.loads(path.read_bytes())
                except ValueError:
                    torn += 1
                path.unlink(missing_ok=True)
        writer.join()
    return torn


class TestDelivered:
    def test_messages_are_kept_for_an_hour_and_then_pruned(self, tmp_path: Path) -> None:
        now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        folder = Path(str(broker.folder_options(tmp_path / "broker")["processed_folder"]))
        for name, age in (("old", 61), ("young", 59)):
            path = folder / f"{name}.msg"
            path.write_text("{}")
            written = (now - timedelta(minutes=age)).timestamp()
            os.utime(path, (written, written))
        assert broker.prune(folder, now=now) == 1
        assert [path.name for path in folder.iterdir()] == ["young.msg"]

    def test_messages_lie_where_the_relay_prunes(self, tmp_path: Path) -> None:
        options = broker.folder_options(tmp_path)
        with Connection("atomicfs://localhost", transport_options=options) as link:
            queue = Queue("publisher", channel=link.channel())
            queue.declare()
            with link.Producer(serializer="json") as producer:
                producer.publish({"case_id": "7"}, routing_key="publisher")
            taken: list[Any] = []
            with Consumer(link, [queue], callbacks=[lambda body, m: taken.append(body) or m.ack()]):
                link.drain_events(timeout=3)
                with pytest.raises(socket.timeout):
                    link.drain_events(timeout=0.1)
        assert taken == [{"case_id": "7"}]
        processed = Path(str(options["processed_folder"]))
        assert len(list(processed.glob("*.msg"))) == 1
        later = datetime.now(UTC) + timedelta(hours=2)
        assert broker.prune(processed, now=later) == 1


class TestConnection:
    def test_to_a_broker_that_is_away_is_tried_again_soon(self) -> None:
        from imprimatur.config.broker import RETRY_S, SwiftConnection
        from imprimatur.config.celery import app
        from kombu.exceptions import OperationalError

        assert isinstance(app.connection_for_read(), SwiftConnection)
        waits: list[float] = []
        # Nobody listens on the discard port.
        away = SwiftConnection("redis://127.0.0.1:9//", connect_timeout=1)
        with pytest.raises(OperationalError):
            away.ensure_connection(lambda _error, wait: waits.append(wait), max_retries=3)
        assert waits == pytest.approx([0.2, 0.6, 1.0])
        assert max(waits) <= RETRY_S["interval_max"]

    def test_is_waited_for_however_long_it_takes(self) -> None:
        from imprimatur.config.celery import app

        assert app.conf.broker_connection_max_retries is None


REDIS = os.environ.get("CELERY_BROKER_URL", "")


@pytest.mark.skipif(not REDIS.startswith("redis://"), reason="no Redis in this pass")
class TestAConsumerOnRedis:
    def test_takes_the_next_message_after_an_acknowledgement_was_cut_off(self) -> None:
        assert asks_for_more_after_a_cut(broker.RedisTransport)

    def test_would_take_none_ever_again_with_the_library_s_own(self) -> None:
        """The negative control."""
        assert not asks_for_more_after_a_cut(redis.Transport)

    def test_is_ours_wherever_celery_connects(self) -> None:
        from imprimatur.config.celery import app

        with app.connection_for_read() as link:
            assert type(link.transport) is broker.RedisTransport


def asks_for_more_after_a_cut(kind: type[Any]) -> bool:
    """Take a message, lose the line at its acknowledgement, and tell whether the next one comes."""
    parts, name = urlsplit(REDIS), f"cut-{uuid.uuid4()}"
    with Connection(REDIS) as direct, direct.Producer(serializer="json") as producer:
        for number in (1, 2):
            producer.publish(
                {"number": number}, routing_key=name, declare=[Queue(name, expires=60)]
            )
    with FaultProxy(parts.port or 6379) as line:
        cut = parts._replace(netloc=f"127.0.0.1:{line.port}").geturl()
        with Connection(cut, transport=kind) as link:
            channel, taken = link.channel(), []
            consumer = Consumer(channel, [Queue(name, expires=60)], prefetch_count=1)
            consumer.register_callback(lambda _, message: taken.append(message))
            consumer.consume()
            while not taken:
                link.drain_events(timeout=5)
            line.set("reset")
            taken[0].ack_log_error(logging.getLogger(__name__), link.connection_errors)
            line.set("pass")
            try:
                link.drain_events(timeout=3)
            except TimeoutError:
                return False
            except link.connection_errors:
                return True  # so the worker connects anew, and is delivered what waits
            return len(taken) == 2
