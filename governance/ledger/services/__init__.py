"""The log's commands: record an act, give it its place, sign, witness, anchor, check, erase."""

from governance.ledger.services._anchor import anchor, confirm_anchors, last_anchor
from governance.ledger.services._append import append
from governance.ledger.services._erase import Erasure, erase_person
from governance.ledger.services._events import deliver_events, delivered_events
from governance.ledger.services._export import ExportSummary, export
from governance.ledger.services._fsck import Report, fsck
from governance.ledger.services._hold import hold_person, lift_hold
from governance.ledger.services._places import (
    WitnessAddress,
    anchor_store,
    events_store,
    list_witnesses,
    tiles_store,
)
from governance.ledger.services._sequence import sequence
from governance.ledger.services._sign import confirm_continuity, sign_checkpoint
from governance.ledger.services._tiles import publish_tiles
from governance.ledger.services._witness import ask_witness

__all__ = [
    "Erasure",
    "ExportSummary",
    "Report",
    "WitnessAddress",
    "anchor",
    "anchor_store",
    "append",
    "ask_witness",
    "confirm_anchors",
    "confirm_continuity",
    "deliver_events",
    "delivered_events",
    "erase_person",
    "events_store",
    "export",
    "fsck",
    "hold_person",
    "last_anchor",
    "lift_hold",
    "list_witnesses",
    "publish_tiles",
    "sequence",
    "sign_checkpoint",
    "tiles_store",
]
