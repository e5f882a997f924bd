"""`models`: the way of an image model into use: add, approve, list, verify, retire."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from generation.engines import handling
from generation.engines import registry as engines
from generation.engines.spec import DTYPES
from generation.registry import conventions, selectors, services
from generation.registry.conventions import Convention, Defaults
from generation.registry.management import checking, pins, trying
from generation.registry.selectors import ProfileRecord
from generation.weights import snapshot
from governance.kernel import clock
from governance.kernel.errors import DomainError
from governance.licences import selectors as licences

Options = Mapping[str, Any]


class Command(BaseCommand):
    """Looks after model profiles."""

    help = (
        "Look after image models: one platform admin adds a folder, which is loaded and tried, and "
        "another one approves it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="the version in use of every model")
        acts.add_parser("conventions", help="full models that many use, and what to mind")
        acts.add_parser("verify", help="hash the files of all models in use again")
        add = acts.add_parser("add", help="propose a new version, after one image was made with it")
        add.add_argument("folder", help="its folder, below the models folder")
        add.add_argument("--slug", required=True, help="its name in templates")
        add.add_argument("--name", required=True, help="what people call it")
        add.add_argument(
            "--licence", type=UUID, required=True, help="its licence on record: the id"
        )
        add.add_argument("--convention", help="what it is; see `models conventions`")
        add.add_argument(
            "--scorers", help="a pack whose scorers judge its images, below the models folder"
        )
        check = acts.add_parser("check", help="say what is to be known before a model is approved")
        check.add_argument("model", help="a folder below the models folder, or the id of a profile")
        check.add_argument("--licence", type=UUID, help="its licence on record: the id")
        check.add_argument("--convention", help="what it is; see `models conventions`")
        check.add_argument("--json", action="store_true", help="write one JSON document")
        for act in (add, check):
            act.add_argument("--steps", type=int, help="unless a convention says")
            act.add_argument("--guidance", type=float, help="unless a convention says")
            act.add_argument("--max-sequence-length", type=int, help="in tokens")
            act.add_argument("--dtype", choices=DTYPES)
            act.add_argument("--device", default="cpu", help="the device class: cpu, cuda")
            act.add_argument("--side", type=int, help="of the image that is tried, in px")
            act.add_argument(
                "--placement",
                default=str(handling.PLAIN),
                help="how it is kept and calculated: " + ", ".join(handling.Setting),
            )
        approve = acts.add_parser("approve", help="approve a proposed model")
        for act in (add, approve):
            act.add_argument(
                "--licence-permits-more",
                action="store_true",
                help="say that the licence on record permits more than the convention states",
            )
        retire = acts.add_parser("retire", help="take a model out of use")
        for act in (approve, retire):
            act.add_argument("id", type=UUID, help="the id that `add` printed")
        for act in (add, check, approve, retire):
            act.add_argument("--as", required=True, dest="username", help="a platform admin")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            getattr(self, f"_{act}")(options)
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _list(self, _options: Options) -> None:
        for each in selectors.list_profiles():
            modes = ", ".join(each.parameters.get("modes", ())) or "modes not recorded"
            self.stdout.write(
                f"{each.slug}@{each.number}  {each.pipeline}  {each.dtype}  {each.licence}  "
                f"{each.snapshot_sha256[:12]}  {each.handling}  {each.id}  ({modes})"
            )

    def _conventions(self, _options: Options) -> None:
        for name in conventions.list_names():
            self._write_convention(conventions.read(name))

    def _verify(self, _options: Options) -> None:
        here = [each for each in selectors.list_profiles() if not each.endpoint]
        failed = pins.verify(here, self.stdout)
        if failed:
            raise CommandError(f"{failed} of the models in use are not what was approved.")

    def _add(self, options: Options) -> None:
        actor = pins.actor_named(options["username"])
        named = options["convention"]
        run = trying.settle(options, conventions.read(named).defaults if named else Defaults())
        folder = pins.folder_of(options["folder"])
        found = snapshot.digest_folder(folder)
        pipeline = trying.pipeline_of(folder)
        engine = engines.find(pipeline)
        modes = engine.modes_of(folder)
        # Asked again by the service; here before the trial, which takes long for a full model.
        conventions.hold(
            named or "",
            pipeline=pipeline,
            licence=licences.get_licence(actor, options["licence"]),
            permits_more=options["licence_permits_more"],
        )
        tried = trying.render(folder, found.sha256, pipeline, run, options["device"])
        made = services.propose_profile(
            actor=actor,
            slug=options["slug"],
            name=options["name"],
            family=engine.family,
            pipeline=pipeline,
            folder=options["folder"],
            snapshot_sha256=found.sha256,
            dtype=run.dtype,
            device=options["device"].partition(":")[0],
            parameters={
                "steps": run.steps,
                "guidance": run.guidance,
                "max_sequence_length": run.max_sequence_length,
                "modes": sorted(modes),
                **({"needs": sorted(engine.needed)} if engine.needed else {}),
                "handling": str(handling.read(run.handling)),
            },
            scorers=_scorers_of(options),
            is_calibrated=False,
            licence_id=options["licence"],
            now=clock.now(),
            convention=named or "",
            licence_permits_more=options["licence_permits_more"],
        )
        self._write_said(made)
        self.stdout.write(
            f"{made.slug}@{made.number} ({pipeline}, {found.size_bytes} bytes; "
            f"{', '.join(sorted(modes))}) made an image of "
            f"{run.sizes[0][0]} x {run.sizes[0][1]} px in {tried.seconds:.2f} s and is proposed. "
            f"Somebody else approves it: models approve {made.id}"
        )

    def _check(self, options: Options) -> None:
        """Say of each thing how it stands and what to do next; nothing is proposed."""
        found = checking.check(checking.named(options))
        if options["json"]:
            self.stdout.write(json.dumps(checking.as_document(found), indent=2))
        else:
            for each in found:
                self.stdout.write(checking.in_words(each))
        bad = sum(each.verdict == checking.BAD for each in found)
        if bad:
            raise CommandError(f"{bad} of {len(found)} checks speak against this model.")

    def _approve(self, options: Options) -> None:
        """Approve what lies there now: other files than those proposed are a new proposal.

        What lies at an endpoint is its operator's word.
        """
        proposed = selectors.get_profile(options["id"])
        if not proposed.endpoint:
            snapshot.verify(pins.folder_of(proposed.folder), proposed.snapshot_sha256)
        made = services.approve_profile(
            actor=pins.actor_named(options["username"]),
            profile_id=proposed.id,
            now=clock.now(),
            licence_permits_more=options["licence_permits_more"],
        )
        self._write_said(made)
        self.stdout.write(f"{made.slug}@{made.number} is approved; templates may name it.")

    def _retire(self, options: Options) -> None:
        made = services.retire_profile(
            actor=pins.actor_named(options["username"]),
            profile_id=options["id"],
            now=clock.now(),
        )
        self.stdout.write(f"{made.slug}@{made.number} is retired.")

    def _write_said(self, made: ProfileRecord) -> None:
        """Say what the proposer said of the licence, to whoever reads on."""
        more = made.parameters.get("licence_permits_more")
        if more:
            self.stdout.write(
                f"Its licence on record ({made.licence}) was said to permit more than the "
                f"convention {made.parameters['convention']} states: {conventions.in_words(more)}."
            )

    def _write_convention(self, found: Convention) -> None:
        """Write what is known of a model; what is not is not there."""
        self.stdout.write(f"{found.name}: {found.title}")
        self.stdout.write(f"  model    {found.repository}")
        self.stdout.write(f"  pipeline {found.pipeline}, family {found.family}")
        self.stdout.write(f"  run      {_describe(found.defaults)}")
        if found.memory:
            self.stdout.write(f"  needs    {found.memory}")
        self.stdout.write(f"  licence  {_describe_licence(found)}")
        for caution in found.cautions:
            self.stdout.write(f"  mind     {caution}")


def _describe(defaults: Defaults) -> str:
    """Put into words how a model is usually run."""
    said = {
        "steps": defaults.steps,
        "guidance": defaults.guidance,
        "max sequence length": defaults.max_sequence_length,
        "dtype": defaults.dtype,
        "size": " or ".join(f"{width} x {height} px" for width, height in defaults.sizes) or None,
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)


def _describe_licence(found: Convention) -> str:
    """Put into words what a convention states of the licence."""
    if found.licence is None:
        return "not stated here"
    terms = found.licence.terms
    limit = (
        f", up to a revenue of {terms.revenue_limit} {terms.revenue_currency} a year"
        if terms.revenue_limit is not None
        else ""
    )
    permitted = ", ".join(terms.purposes)
    return f"{found.licence.identifier}: {permitted}{limit}. Its text: {found.licence.text}"


def _scorers_of(options: Options) -> dict[str, Any]:
    """Return the scorers of a pack as a profile names them; without a pack there are none."""
    if options["scorers"] is None:
        return {"folder": options["folder"], "entries": []}
    return pins.scorers_of(options["scorers"])
