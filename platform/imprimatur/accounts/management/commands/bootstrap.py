"""Names the first two people of an installation; it works once, and never again."""

import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.kernel import clock
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from imprimatur.accounts import services
from imprimatur.accounts.services import NewPerson


class Command(BaseCommand):
    """Reads two user names, two names and two passwords, and makes two platform admins."""

    help = (
        "Name the first two people, both platform admins. A password comes from the file given, "
        "or is asked for; it is never an argument."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for which in ("first", "second"):
            parser.add_argument(f"--{which}", required=True, metavar="USERNAME")
            parser.add_argument(f"--{which}-name", metavar="NAME", help="default: the user name")
            parser.add_argument(
                f"--{which}-password-file", type=Path, metavar="FILE", help="default: ask"
            )

    def handle(self, **options: Any) -> None:
        first, second = (self._person(options, which) for which in ("first", "second"))
        try:
            people = services.bootstrap(actor=SYSTEM, first=first, second=second, now=clock.now())
        except DomainError as error:
            raise CommandError(error.detail) from error
        for person in people:
            self.stdout.write(f"Platform admin {person.username} may sign in.")

    def _person(self, options: dict[str, Any], which: str) -> NewPerson:
        username = options[which]
        file: Path | None = options[f"{which}_password_file"]
        if file is None:
            password = getpass.getpass(f"Password of {username}: ")
            if password != getpass.getpass("Once more: "):
                raise CommandError("The two passwords differ.")
        else:
            try:
                password = file.read_text(encoding="utf-8").strip("\r\n")
            except OSError as error:
                raise CommandError(f"The file {file} cannot be read: {error.strerror}.") from error
        return NewPerson(username, options[f"{which}_name"] or username, password)
