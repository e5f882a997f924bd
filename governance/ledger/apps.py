"""Names the ledger to Django; nothing happens at start."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The audit log: entries, leaves, tiles and checkpoints."""

    name = "governance.ledger"
    label = "ledger"
