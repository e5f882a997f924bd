"""`manage.py ledger export | fsck | prove`: what an auditor asks of the log, from the shell."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from governance.kernel.errors import DomainError
from governance.ledger import keys, notes, selectors, services


class Command(BaseCommand):
    """Exports, checks or proves; writes nothing to the log."""

    help = "Export the audit log, check it, or prove that one entry is in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the three subcommands."""
        acts = parser.add_subparsers(dest="act", required=True)
        export = acts.add_parser("export", help="write entries, tiles and checkpoints to a folder")
        export.add_argument("folder", type=Path)
        fsck = acts.add_parser("fsck", help="rebuild the tree and compare everything with it")
        fsck.add_argument("--key", help="the log's public key, as text or as a file")
        prove = acts.add_parser("prove", help="write a C2SP tlog-proof of one entry")
        prove.add_argument("entry_id", type=UUID)
        prove.add_argument("--to", type=Path, help="the file to write; standard output without it")

    def handle(self, *_: Any, act: str, **options: Any) -> None:
        """Run one subcommand; an anticipated error is one sentence and exit status 1."""
        try:
            if act == "export":
                self._export(options["folder"])
            elif act == "fsck":
                self._fsck(options["key"])
            else:
                self._prove(options["entry_id"], options["to"])
        except (DomainError, OSError) as error:
            raise CommandError(str(error)) from error

    def _export(self, folder: Path) -> None:
        made = services.export(folder=folder)
        self.stdout.write(
            f"Exported {made.size} entries under {made.checkpoints} checkpoints; "
            f"root {made.root.hex()}."
        )

    def _fsck(self, key: str | None) -> None:
        report = services.fsck(key=None if key is None else _key(key))
        self.stdout.write(
            f"{report.size} leaves, {report.pending} entries waiting, {report.checkpoints} "
            f"checkpoints; root {report.root.hex()}."
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


def _key(given: str) -> notes.VerifierKey:
    path = Path(given)
    return notes.VerifierKey.parse(path.read_text(encoding="utf-8") if path.is_file() else given)
