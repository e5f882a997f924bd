"""`brands`: how open each brand's data is, which decides where its prompts may be sent."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from templates.brands import selectors, services
from templates.brands.records import BrandRecord
from templates.brands.states import DataClass


class Command(BaseCommand):
    """Lists and sets the data classes of brands."""

    help = (
        "Say how open a brand's prompts and images are. Its data steward does; an endpoint is "
        "approved for data classes, and nothing of another one is sent there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listed = acts.add_parser("list", help="the brands that the person may see")
        classify = acts.add_parser("classify", help="set the data class of a brand")
        classify.add_argument("brand", help="its slug")
        classify.add_argument("data_class", choices=DataClass.values)
        for act in (listed, classify):
            act.add_argument("--as", required=True, dest="username", help="a data steward")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            actor: Actor = import_string(settings.ACTOR_BY_USERNAME)(options["username"])
            if act == "list":
                for each in selectors.list_brands(actor):
                    self.stdout.write(_line(each))
                return
            found = selectors.find_brand_by_slug(options["brand"])
            if found is None:
                raise NotFound("No brand has this slug.", pointer="/brand")
            made = services.set_data_class(
                actor=actor,
                brand_id=found.id,
                data_class=options["data_class"],
                now=clock.now(),
            )
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(_line(made))


def _line(brand: BrandRecord) -> str:
    return f"{brand.slug}  {brand.data_class}"
