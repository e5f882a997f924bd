"""`manage.py ledger export | fsck | prove | status | witness`: the log, from the shell."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from governance.kernel import clock
from governance.kernel.errors import DomainError
from governance.ledger import keys, notes, selectors, services, witness

# The alarm of the relay: an entry that waits longer for its leaf or signature could vanish unseen.
LONGEST_WAIT_S = 60


class Command(BaseCommand):
    """Exports, checks, proves, or witnesses another log; writes nothing to this one."""

    help = "Export the audit log, check it, prove an entry, see how it stands, or run a witness."
    # A witness runs where there is neither a database nor an installation.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the subcommands."""
        acts = parser.add_subparsers(dest="act", required=True)
        export = acts.add_parser("export", help="write entries, tiles and checkpoints to a folder")
        export.add_argument("folder", type=Path)
        fsck = acts.add_parser("fsck", help="rebuild the tree and compare everything with it")
        fsck.add_argument("--key", help="the log's public key, as text or as a file")
        prove = acts.add_parser("prove", help="write a C2SP tlog-proof of one entry")
        prove.add_argument("entry_id", type=UUID)
        prove.add_argument("--to", type=Path, help="the file to write; standard output without it")
        acts.add_parser("status", help="say how far the log is behind, and what is anchored")
        witness.add_arguments(acts.add_parser("witness", help="cosign another log's checkpoints"))

    def handle(self, *_: Any, act: str, **options: Any) -> None:
        """Run one subcommand; an anticipated error is one sentence and exit status 1."""
        try:
            if act == "export":
                self._export(options["folder"])
            elif act == "fsck":
                self._fsck(options["key"])
            elif act == "prove":
                self._prove(options["entry_id"], options["to"])
            elif act == "status":
                self._status()
            else:
                names = ("listen", "folder", "name", "log_key")
                witness.serve(**{name: options[name] for name in names})
        except (DomainError, OSError) as error:
            raise CommandError(str(error)) from error

    def _export(self, folder: Path) -> None:
        made = services.export(folder=folder)
        self.stdout.write(
            f"Exported {made.size} entries under {made.checkpoints} checkpoints; "
            f"root {made.root.hex()}."
        )

    def _fsck(self, key: str | None) -> None:
        report = services.fsck(
            key=None if key is None else _key(key),
            witnesses=[each for at in services.list_witnesses() for each in at.keys],
            anchored=services.anchor_store(),
        )
        self.stdout.write(
            f"{report.size} leaves, {report.pending} entries waiting, {report.checkpoints} "
            f"checkpoints, {report.cosignatures} cosignatures, {report.anchors} anchors; "
            f"root {report.root.hex()}."
        )
        for problem in report.problems:
            self.stderr.write(problem)
        if not report.is_sound:
            message = f"The log is damaged: {report.problem_count} problems."
            raise CommandError(message)
        self.stdout.write("Everything agrees.")

    def _prove(self, entry_id: UUID, to: Path | None) -> None:
        evidence = selectors.get_evidence(entry_id)
        text = notes.proof_text(
            index=evidence.proof.index,
            path=evidence.proof.path,
            checkpoint=evidence.checkpoint.note,
            entry=evidence.entry,
        )
        if to is None:
            self.stdout.write(text, ending="")
        else:
            keys.write_whole(to, text.encode())
            self.stdout.write(f"Wrote the proof of leaf {evidence.proof.index}.")

    def _status(self) -> None:
        delay = selectors.merge_delay()
        waiting_s = delay.waiting_s(clock.now())
        self.stdout.write(
            f"{delay.size} leaves, {delay.signed_size} of them signed; "
            f"the oldest entry waits {waiting_s:.0f} s."
        )
        for at in services.list_witnesses():
            size = selectors.cosigned_size(at.key_names)
            self.stdout.write(f"Witness {at.name} cosigned {size}.")
        anchored = services.anchor_store()
        if anchored is not None:
            last = services.last_anchor(store=anchored)
            self.stdout.write(f"Anchored: {0 if last is None else last.size}.")
        if waiting_s > LONGEST_WAIT_S:
            message = "Entries wait too long for their leaf or signature: is the relay running?"
            raise CommandError(message)


def _key(given: str) -> notes.VerifierKey:
    path = Path(given)
    return notes.VerifierKey.parse(path.read_text(encoding="utf-8") if path.is_file() else given)
