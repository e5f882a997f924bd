"""Runs the relay: outbox to broker, sweeper, ledger sequencer and checkpoints."""

import signal
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections, connection

from governance.kernel.clock import now
from governance.ledger import services as ledger
from governance.ledger.checkpoints import CheckpointSigner
from governance.notices import services as notices
from imprimatur.accounts import services as accounts
from imprimatur.api import idempotency
from imprimatur.config import broker, start
from imprimatur.config.celery import app
from imprimatur.workflow.archive import Archive
from imprimatur.workflow.relay import Relay

# What the archive writes appears whole or not at all, so it need not be waited for.
ARCHIVE_STOPS_S = 10
CONNECTIONS_EVERY_S = 1.0

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Relays until it is told to stop; a checkpoint key that does not fit the log is no start."""

    help = "Send hints to the broker, sweep lost work, sequence the ledger and sign checkpoints."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        start.require_sound("relay")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        signer = CheckpointSigner.load(Path(settings.CHECKPOINT_KEY_FOLDER))
        ledger.confirm_continuity(signer=signer)
        anchors = ledger.anchor_store()
        if anchors is not None:
            ledger.confirm_anchors(store=anchors, key=signer.key)
        beside = threading.Thread(target=archive, args=(stop,), name="archive", daemon=True)
        beside.start()
        relay = Relay(send=send, signer=signer, tidy=tidy)
        log.info("Relaying", origin=settings.LEDGER_ORIGIN)
        looked_at = float("-inf")
        while not stop.is_set():
            # Now and then is enough, and most rounds only ask one short question.
            if monotonic() - looked_at >= CONNECTIONS_EVERY_S:
                looked_at = monotonic()
                close_old_connections()
            if not relay.run(now()):
                stop.wait(settings.RELAY_INTERVAL_MS / 1000)
        beside.join(timeout=ARCHIVE_STOPS_S)
        log.info("Stopped relaying")


def archive(stop: threading.Event) -> None:
    """Take the ledger out of the house, beside the relay's round, until it is told to stop."""
    rounds = Archive()
    while not stop.wait(1):
        close_old_connections()
        rounds.run(now())
    connection.close()


def send(task: str, kwargs: Mapping[str, Any], queue: str) -> None:
    """Send one hint by its task's name; a broker that does not answer raises within seconds."""
    app.send_task(task, kwargs=dict(kwargs), queue=queue, ignore_result=True, retry=False)


def tidy(now: datetime) -> int:
    """Remove what served its time: delivered messages of files, kept answers, windows, notices."""
    folder = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("processed_folder")
    removed = broker.prune(Path(str(folder)), now=now) if folder else 0
    kept = timedelta(days=settings.NOTICES_KEPT_D)
    removed += notices.prune(now=now, older_than=kept)
    return removed + idempotency.prune(now=now) + accounts.prune_attempts(now=now)
