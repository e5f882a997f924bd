"""The log's commands: record an act, give entries their place, sign, export, check, erase."""

from governance.ledger.services._append import append
from governance.ledger.services._erase import Erasure, erase_person
from governance.ledger.services._export import ExportSummary, export
from governance.ledger.services._fsck import Report, fsck
from governance.ledger.services._sequence import sequence
from governance.ledger.services._sign import confirm_continuity, sign_checkpoint

__all__ = [
    "Erasure",
    "ExportSummary",
    "Report",
    "append",
    "confirm_continuity",
    "erase_person",
    "export",
    "fsck",
    "sequence",
    "sign_checkpoint",
]
