"""Makes the keys that an installation lacks, each in the folder of the process that holds it."""

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from governance.kernel.clock import now
from governance.ledger.keys import (
    KEY_FILE,
    PUBLIC_FILE,
    SECOND_KEY_FILE,
    SECOND_PUBLIC_FILE,
    make_checkpoint_key,
    make_second_key,
)
from governance.marking.authority import make_development_authority
from governance.marking.signing import ANCHORS_NAME, LEAF_KEY_NAME
from governance.sealing.keys import make_sealing_key
from imprimatur.config.demo import bucket

LEDGER_PUBLIC_NAME = "ledger.vkey"
LEDGER_SECOND_PUBLIC_NAME = "ledger.mldsa.vkey"


class Command(BaseCommand):
    """Makes missing keys; the demo's S3 credential alone follows the settings."""

    help = (
        "Make the missing keys: sealing key, checkpoint key (relay), development C2PA authority "
        "(publisher; the root key is not kept). Present keys are left alone."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        public = Path(settings.PUBLIC_KEY_FOLDER)
        relay = Path(settings.CHECKPOINT_KEY_FOLDER)
        publisher = Path(settings.PUBLISHER_KEY_FOLDER)
        sealing = Path(settings.SEALING_KEY_FILE)
        public.mkdir(parents=True, exist_ok=True)
        for folder in (relay, publisher, sealing.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not sealing.exists():
            make_sealing_key(sealing)
            self.stdout.write(f"sealing key: {sealing}")
        if not (relay / KEY_FILE).exists():
            make_checkpoint_key(relay, settings.LEDGER_ORIGIN)
            self.stdout.write(f"checkpoint key: {relay} (public: {public / LEDGER_PUBLIC_NAME})")
        if not (relay / SECOND_KEY_FILE).exists():
            second = make_second_key(relay, settings.LEDGER_ORIGIN)
            where = public / LEDGER_SECOND_PUBLIC_NAME
            self.stdout.write(
                f"second checkpoint key (ML-DSA-44): {relay} (public: {where})"
                if second is not None
                else "no second checkpoint key: this machine's cryptography has no ML-DSA-44"
            )
        if not (publisher / LEAF_KEY_NAME).exists():
            make_development_authority(publisher, now=now())
            self.stdout.write(f"development C2PA authority: {publisher}; its root key was not kept")
        credential = bucket.write_credential()
        if credential is not None:
            self.stdout.write(f"credential of the demo's S3 destination: {credential}")
        _show(relay / PUBLIC_FILE, public / LEDGER_PUBLIC_NAME)
        if (relay / SECOND_PUBLIC_FILE).exists():
            _show(relay / SECOND_PUBLIC_FILE, public / LEDGER_SECOND_PUBLIC_NAME)
        _show(publisher / ANCHORS_NAME, public / ANCHORS_NAME)


def _show(part: Path, public: Path) -> None:
    """Put a public part where everybody may read it, unless it is there."""
    if not public.exists():
        shutil.copyfile(part, public)
