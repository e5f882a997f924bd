"""Removes what served only for a while: answers to repeated requests, old sign-in windows."""

from typing import Any

from django.core.management.base import BaseCommand

from governance.kernel import clock
from imprimatur.accounts import services as accounts
from imprimatur.api import idempotency


class Command(BaseCommand):
    """Runs as often as one likes; once a day is enough."""

    help = "Remove answers kept for repeated requests after 7 days, and closed sign-in windows."

    def handle(self, **options: Any) -> None:
        now = clock.now()
        answers = idempotency.prune(now=now)
        windows = accounts.prune_attempts(now=now)
        self.stdout.write(f"Removed {answers} answers and {windows} sign-in windows.")
