"""Makes the keys that an installation lacks, each in the folder of the one process that may hold it."""

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from governance.kernel.clock import now
from governance.ledger.keys import make_checkpoint_key
from governance.marking.authority import make_development_authority
from governance.marking.signing import ANCHORS_NAME
from governance.sealing.keys import make_sealing_key

LEDGER_PUBLIC_NAME = "ledger.vkey"


class Command(BaseCommand):
    """Makes keys; one that is there is left alone."""

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
        if not (relay / "checkpoint.key").exists():
            key = make_checkpoint_key(relay, settings.LEDGER_ORIGIN)
            (public / LEDGER_PUBLIC_NAME).write_text(f"{key}\n", encoding="utf-8")
            self.stdout.write(f"checkpoint key: {relay} (public: {public / LEDGER_PUBLIC_NAME})")
        if not (publisher / "leaf.key").exists():
            make_development_authority(publisher, now=now())
            shutil.copyfile(publisher / ANCHORS_NAME, public / ANCHORS_NAME)
            self.stdout.write(f"development C2PA authority: {publisher}; its root key was not kept")
