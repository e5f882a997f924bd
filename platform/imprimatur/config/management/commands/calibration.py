"""`calibration BRAND` prints how a brand's scorers agree with its reviewers: the portal's table."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from imprimatur.workflow import agreement, calibration
from imprimatur.workflow.calibration import Calibration
from templates.brands import selectors as brands

HEAD = (
    "scorer",
    "version",
    "images",
    "approved",
    "rejected",
    "AUC",
    "precision",
    "recall",
    "drift",
)


class Command(BaseCommand):
    """Prints a table with one line for each scorer."""

    help = "Prints how a brand's scorers agree with what its reviewers decided first; no names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("brand", help="the brand's slug")

    def handle(self, *args: Any, **options: Any) -> None:
        brand = brands.find_brand_by_slug(options["brand"])
        if brand is None:
            raise CommandError(f"No brand has the slug {options['brand']}.")
        try:
            report = calibration.report(actor=SYSTEM, brand_id=brand.id)
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(
            f"{brand.slug}: the last {report.images} images, {report.decided} decided by people, "
            f"{report.emergencies} approved in an emergency and left out."
        )
        rows = [HEAD, *(_row(each) for each in report.scorers)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
        self.stdout.write(
            f"A figure takes {agreement.LEAST_OF_EACH} approved and {agreement.LEAST_OF_EACH} "
            "rejected images; '-' says that there are too few, or no rule."
        )


def _row(each: Calibration) -> tuple[str, ...]:
    auc, at = each.auc, each.at
    drift = next((month.drift for month in reversed(each.months) if month.drift is not None), None)
    return (
        each.scorer,
        each.version,
        str(each.images),
        str(each.approved),
        str(each.rejected),
        "-" if auc is None else f"{auc.value:.2f} ({auc.low:.2f}-{auc.high:.2f})",
        _share(None if at is None else at.precision),
        _share(None if at is None else at.recall),
        "-" if drift is None else f"{drift:.2f}",
    )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"
