"""Drafts and submits the templates of a pack; importing it again adds only what has changed."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from governance.kernel import clock
from governance.kernel.errors import DomainError
from templates.brands import selectors as brands
from templates.prompts import library, services


class Command(BaseCommand):
    """Import a pack for one brand, as one of its brand managers."""

    help = (
        "Draft and submit the templates of a pack: the name of one that comes with the product, "
        "or a folder. Every template is then reviewed and released by people."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pack", help="product_studio, seasonal_campaign, or a folder")
        parser.add_argument("--brand", required=True, help="the slug of the brand")
        parser.add_argument(
            "--as", required=True, dest="username", help="the brand manager who drafts and submits"
        )

    def handle(self, *args: Any, pack: str, brand: str, username: str, **options: Any) -> None:
        shipped = library.FOLDER / pack
        folder = shipped if "/" not in pack and shipped.is_dir() else Path(pack)
        try:
            read = library.read_pack(folder)
            found = brands.find_brand_by_slug(brand)
            if found is None:
                raise CommandError(f"No brand has the slug {brand}.")
            actor = import_string(settings.ACTOR_BY_USERNAME)(username)
            imported = services.import_pack(
                actor=actor, brand_id=found.id, pack=read, now=clock.now()
            )
        except DomainError as error:
            raise CommandError(_explained(error)) from error
        for each in imported:
            version = each.version
            self.stdout.write(f"{each.outcome:<10} {version.slug} version {version.number}")


def _explained(error: DomainError) -> str:
    """Write an error with everything that is wrong, one problem to a line."""
    problems = error.facts.get("errors")
    if not isinstance(problems, list):
        return error.detail
    return "\n".join(f"{each['pointer']}: {each['detail']}" for each in problems)
