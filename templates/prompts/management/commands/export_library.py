"""Writes a brand's templates as a pack; importing that again, anywhere, loses and adds nothing."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.kernel.actors import SYSTEM
from templates.brands import selectors as brands
from templates.prompts import library, selectors


class Command(BaseCommand):
    """Export the newest version of each template of a brand that is not retired."""

    help = (
        "Write a brand's templates into FOLDER/templates, one YAML file each, and a pack.yaml "
        "where the folder has none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--brand", required=True, help="the slug of the brand")
        parser.add_argument(
            "--released", action="store_true", help="only what is released, as it is released"
        )

    def handle(self, *args: Any, folder: Path, brand: str, released: bool, **options: Any) -> None:
        found = brands.find_brand_by_slug(brand)
        if found is None:
            raise CommandError(f"No brand has the slug {brand}.")
        target = folder / "templates"
        target.mkdir(parents=True, exist_ok=True)
        about = folder / "pack.yaml"
        if not about.exists():
            about.write_text(library.write_about(found.name, found.palette), encoding="utf-8")
        for template in selectors.list_templates(SYSTEM, found.id):
            version = (
                template.released
                if released
                else selectors.find_newest_version(SYSTEM, found.id, template.slug)
            )
            if version is None:
                continue
            path = target / f"{version.slug}.yaml"
            path.write_text(library.write_template(version.content), encoding="utf-8")
            self.stdout.write(f"{path.name} version {version.number}")
