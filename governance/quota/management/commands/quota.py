"""`quota check` compares accounts with their entries; exit status 0 only if the books balance."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.quota import selectors


class Command(BaseCommand):
    """Looks after the quota's books."""

    help = "Looks after the quota's books: `quota check` compares every account with its entries."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_subparsers(dest="act", required=True).add_parser(
            "check", help="compare every account with the sum of its entries"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = selectors.check_books()
        for line in found:
            self.stdout.write(
                f"account {line.account_id}: {line.figure} is {line.account_says}, "
                f"its entries say {line.entries_say}"
            )
        if found:
            raise CommandError(f"The books do not balance: {len(found)} figures differ.")
        self.stdout.write("The books balance.")
