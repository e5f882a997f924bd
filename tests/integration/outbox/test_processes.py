"""Relays as real processes: together they send each hint once, and a killed one loses none."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import transaction
from django.db.models.functions import Now

from governance.kernel import clock
from governance.outbox import services
from governance.outbox.models import Outbox
from tests import databases

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]
ROOT = Path(__file__).resolve().parents[3]
RELAY = """
import sys, time, django
django.setup()
from datetime import datetime, UTC
from django.db import connection
from governance.outbox import services
connection.ensure_connection()
def send(task, kwargs, queue):
    print(kwargs["number"], flush=True)
    time.sleep({pause})
print("ready", flush=True)
sys.stdin.readline()
while services.relay(send=send, now=datetime.now(UTC), limit=20):
    pass
"""


def start(pause: float = 0.0) -> subprocess.Popen[str]:
    paths = [str(ROOT / "platform"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", RELAY.format(pause=pause)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": databases.url(), "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def hints(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            services.wake("a.b", queue="cpu", number=number)


class TestRelays:
    def test_share_the_hints_and_send_none_twice(self) -> None:
        hints(200)
        relays = [start(), start(), start()]
        for relay in relays:
            let_go(relay)
        sent = Counter()
        for relay in relays:
            output, _ = relay.communicate(timeout=60)
            assert relay.returncode == 0
            sent.update(map(int, output.split()))
        # A relay that found the rest claimed by others stops early; nothing may be left behind.
        services.relay(
            send=lambda _task, kwargs, _queue: sent.update([kwargs["number"]]), now=clock.now()
        )
        assert sent == Counter(range(200))

    def test_lose_nothing_when_one_is_killed(self) -> None:
        hints(30)
        victim = start(pause=0.05)
        let_go(victim)
        sent = [int(victim.stdout.readline()) for _ in range(3)]
        victim.send_signal(signal.SIGKILL)
        rest, _ = victim.communicate()
        assert victim.returncode == -signal.SIGKILL
        sent += map(int, rest.split())
        assert Outbox.objects.filter(sent_at=None, due_at__gt=Now()).count() == 20
        Outbox.objects.update(due_at=Now())
        again = []
        services.relay(
            send=lambda _task, kwargs, _queue: again.append(kwargs["number"]), now=clock.now()
        )
        assert again == list(range(30))
        assert set(sent) <= set(again)
