"""The ledger app."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Names the app."""

    name = "governance.ledger"
    label = "ledger"
