"""`endpoints`: servers that images may be made at: add, approve, list, check, offer, retire."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from generation.jobs import endpoints
from generation.jobs.management import asking
from generation.registry import selectors, services
from generation.registry.management import pins
from generation.registry.records import ENDPOINT, EndpointRecord
from generation.registry.states import EndpointPlace
from governance.kernel import clock
from governance.kernel.errors import DomainError
from templates.brands.states import DataClass

Options = Mapping[str, Any]


class Command(BaseCommand):
    """Looks after endpoints."""

    help = (
        "Look after servers that images may be made at, instead of this installation's own "
        "workers. One platform admin adds one, another one approves it; there is none to begin "
        "with."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="every version of every endpoint, and how it stands")
        add = acts.add_parser("add", help="propose a new version")
        add.add_argument("url", help="its address: https://host[:port][/path]")
        add.add_argument("--slug", required=True, help="its name")
        add.add_argument("--kind", default="openai_images", help="what it speaks")
        add.add_argument("--place", required=True, choices=EndpointPlace.values)
        add.add_argument("--settings", type=Path, help="a JSON file: what the kind needs to know")
        add.add_argument("--credential", default="", help="the name of the workers' file")
        add.add_argument(
            "--data-class",
            action="append",
            required=True,
            choices=DataClass.values,
            help="a class of brands whose prompts may be sent there; may be given several times",
        )
        check = acts.add_parser("check", help="say what it can do, and make one image there")
        approve = acts.add_parser("approve", help="approve a proposed endpoint")
        retire = acts.add_parser("retire", help="take an endpoint out of use")
        for act in (check, approve, retire):
            act.add_argument("id", type=UUID, help="the id that `add` printed")
        offer = acts.add_parser("offer", help="propose a model at an endpoint in use")
        offer.add_argument("endpoint", help="its name with its version, such as studio@1")
        offer.add_argument("--slug", required=True, help="the model's name in templates")
        offer.add_argument("--name", required=True, help="what people call it")
        offer.add_argument("--licence", type=UUID, required=True, help="its licence: the id")
        offer.add_argument(
            "--sha256", required=True, help="the digest of its files, as the server's operator says"
        )
        offer.add_argument("--dtype", default="bfloat16", help="as the server's operator says")
        offer.add_argument("--scorers", required=True, help="a pack whose scorers judge its images")
        for act in (check, offer):
            act.add_argument("--model", required=True, help="the server's name for the model")
            act.add_argument("--steps", type=int, required=True)
            act.add_argument("--guidance", type=float, required=True)
            act.add_argument("--side", type=int, default=512, help="of the image tried, in px")
        for act in (add, check, offer, approve, retire):
            act.add_argument("--as", required=True, dest="username", help="a platform admin")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            getattr(self, f"_{act}")(options)
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _list(self, _options: Options) -> None:
        for each in selectors.list_endpoints():
            self.stdout.write(
                f"{each.name}  {each.state}  {each.kind}  {each.place}  {each.url}  "
                f"{', '.join(each.data_classes)}  {each.id}"
            )

    def _add(self, options: Options) -> None:
        """Propose it, unless a worker could not read what is stated."""
        stated: dict[str, Any] = {
            "kind": options["kind"],
            "place": options["place"],
            "url": options["url"],
            "settings": _settings_of(options["settings"]),
        }
        endpoints.require_readable(**stated)
        made = services.propose_endpoint(
            actor=pins.actor_named(options["username"]),
            slug=options["slug"],
            **stated,
            credential=options["credential"],
            data_classes=options["data_class"],
            now=clock.now(),
        )
        self.stdout.write(
            f"{made.name} ({made.kind}, {made.place}) is proposed for data that is "
            f"{' or '.join(made.data_classes)}. "
            f"Somebody else approves it: endpoints approve {made.id}"
        )

    def _check(self, options: Options) -> None:
        """Make an image of no brand's words; nothing is kept of it."""
        asking.require_may_ask(pins.actor_named(options["username"]))
        self._try(selectors.get_endpoint(options["id"]), asking.trial(**_run(options)))

    def _offer(self, options: Options) -> None:
        """Propose a model after one image was made with it."""
        actor = pins.actor_named(options["username"])
        asking.require_may_ask(actor)
        found = endpoints.in_use(options["endpoint"])
        run = asking.trial(**_run(options), sha256=options["sha256"], dtype=options["dtype"])
        self._try(found, run)
        made = services.propose_profile(
            actor=actor,
            slug=options["slug"],
            name=options["name"],
            family=found.kind,
            pipeline=f"{ENDPOINT}{found.name}",
            folder=options["model"],
            snapshot_sha256=options["sha256"],
            dtype=options["dtype"],
            device="cpu",
            parameters={
                "steps": options["steps"],
                "guidance": options["guidance"],
                "max_sequence_length": run.max_sequence_length,
                "modes": sorted(asking.modes_of(found, run)),
            },
            scorers=pins.scorers_of(options["scorers"]),
            is_calibrated=False,
            licence_id=options["licence"],
            now=clock.now(),
        )
        self.stdout.write(
            f"{made.slug}@{made.number} at {found.name} is proposed. "
            f"Somebody else approves it: models approve {made.id}"
        )

    def _try(self, endpoint: EndpointRecord, run: asking.RunSpec) -> None:
        for line in asking.try_out(endpoint, run):
            self.stdout.write(line)

    def _approve(self, options: Options) -> None:
        made = services.approve_endpoint(
            actor=pins.actor_named(options["username"]),
            endpoint_id=options["id"],
            now=clock.now(),
        )
        self.stdout.write(f"{made.name} is approved; models may be offered at it.")

    def _retire(self, options: Options) -> None:
        made = services.retire_endpoint(
            actor=pins.actor_named(options["username"]),
            endpoint_id=options["id"],
            now=clock.now(),
        )
        self.stdout.write(f"{made.name} is retired; nothing more is sent there.")


def _run(options: Options) -> dict[str, Any]:
    return {name: options[name] for name in ("model", "steps", "guidance", "side")}


def _settings_of(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"The settings {path} cannot be read as JSON.") from error
    if not isinstance(found, dict):
        raise CommandError(f"The settings {path} are not a JSON object.")
    return found
