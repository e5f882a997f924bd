"""Seeds the demo brand through the services; run again, it adds only what is missing."""

from typing import Any

from django.core.management.base import BaseCommand

from governance.kernel.clock import now
from imprimatur.config.demo import seed


class Command(BaseCommand):
    """Seeds people, a brand, rules, templates, the demo model, quota and destinations."""

    help = "Seed the demo: people for each role, a brand with templates, the demo model, quota."

    def handle(self, *args: Any, **options: Any) -> None:
        seeded = seed.seed(now=now())
        self.stdout.write(f"The demo brand is {seed.BRAND} ({seeded.brand_id}).")
