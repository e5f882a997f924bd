"""`models`: the way of an image model into use: add, approve, list, verify, retire."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from generation.engines import registry as engines
from generation.engines.spec import DTYPES, RunResult, RunSpec
from generation.packs import manifest
from generation.registry import conventions, selectors, services
from generation.registry.conventions import Convention, Defaults
from generation.registry.management import pins
from generation.registry.selectors import ProfileRecord
from generation.weights import snapshot
from governance.kernel import clock
from governance.kernel.errors import DomainError
from governance.licences import selectors as licences

Options = Mapping[str, Any]

# Where neither the operator nor a convention says otherwise.
_USUAL = Defaults(max_sequence_length=77, dtype="float32", sizes=((256, 256),))


@dataclass(frozen=True)
class Run:
    """How a model is run unless an order says otherwise; the size is that of the trial, in px."""

    steps: int
    guidance: float
    max_sequence_length: int
    dtype: str
    width: int
    height: int


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
        add.add_argument("--steps", type=int, help="unless a convention says")
        add.add_argument("--guidance", type=float, help="unless a convention says")
        add.add_argument("--max-sequence-length", type=int, help="in tokens")
        add.add_argument("--dtype", choices=DTYPES)
        add.add_argument("--device", default="cpu", help="the device class: cpu, cuda")
        add.add_argument("--side", type=int, help="of the image that is tried, in px")
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
        for act in (add, approve, retire):
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
                f"{each.snapshot_sha256[:12]}  {each.id}  ({modes})"
            )

    def _conventions(self, _options: Options) -> None:
        for name in conventions.list_names():
            self._write_convention(conventions.read(name))

    def _verify(self, _options: Options) -> None:
        failed = pins.verify(selectors.list_profiles(), self.stdout)
        if failed:
            raise CommandError(f"{failed} of the models in use are not what was approved.")

    def _add(self, options: Options) -> None:
        actor = pins.actor_named(options["username"])
        named = options["convention"]
        run = _settle(options, conventions.read(named).defaults if named else Defaults())
        folder = pins.folder_of(options["folder"])
        found = snapshot.digest_folder(folder)
        pipeline = _pipeline_of(folder)
        engine = engines.find(pipeline)
        modes = engine.modes_of(folder)
        # Asked again by the service; here before the trial, which takes long for a full model.
        conventions.hold(
            named or "",
            pipeline=pipeline,
            licence=licences.get_licence(actor, options["licence"]),
            permits_more=options["licence_permits_more"],
        )
        tried = _try(folder, found.sha256, pipeline, run, options["device"])
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
            f"{run.width} x {run.height} px in {tried.seconds:.2f} s and is proposed. "
            f"Somebody else approves it: models approve {made.id}"
        )

    def _approve(self, options: Options) -> None:
        """Approve what lies there now: other files than those proposed are a new proposal."""
        proposed = selectors.get_profile(options["id"])
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


def _pipeline_of(folder: Path) -> str:
    """Return the pipeline class that a folder names."""
    try:
        return str(json.loads((folder / "model_index.json").read_bytes())["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"'{folder}' is no pipeline: it has no readable 'model_index.json'."
        ) from error


def _settle(options: Options, convention: Defaults) -> Run:
    """Decide how the model is run: as the operator says, as its convention does, or as usual."""

    def chosen(name: str) -> Any:
        for value in (options[name], getattr(convention, name), getattr(_USUAL, name)):
            if value is not None:
                return value
        raise CommandError(
            f"State --{name}: the convention does not."
            if options["convention"]
            else f"State --{name}, or name a --convention."
        )

    width, height = (convention.sizes or _USUAL.sizes)[0]
    return Run(
        steps=chosen("steps"),
        guidance=chosen("guidance"),
        max_sequence_length=chosen("max_sequence_length"),
        dtype=chosen("dtype"),
        width=options["side"] or width,
        height=options["side"] or height,
    )


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


def _try(folder: Path, sha256: str, pipeline: str, run: Run, device: str) -> RunResult:
    """Make one image, as an order would. Raises: DomainError."""
    spec = RunSpec(
        folder=folder,
        snapshot_sha256=sha256,
        pipeline=pipeline,
        prompt="a mug on a wooden table",
        negative_prompt="",
        width=run.width,
        height=run.height,
        steps=run.steps,
        guidance=run.guidance,
        seed=1,
        max_sequence_length=run.max_sequence_length,
        device=device,
        dtype=run.dtype,
    )
    return engines.find(pipeline).render(spec, lambda _done, _of: None)


def _scorers_of(options: Options) -> dict[str, Any]:
    """Return the scorers of a pack as a profile names them; without a pack there are none."""
    if options["scorers"] is None:
        return {"folder": options["folder"], "entries": []}
    pack = manifest.read(pins.folder_of(options["scorers"]))
    return {
        "folder": options["scorers"],
        "entries": [
            {
                "kind": entry.kind,
                "folder": entry.folder,
                "snapshot_sha256": entry.snapshot_sha256,
                "licence": entry.licence,
                "settings": dict(entry.settings),
            }
            for entry in pack.scorers
        ],
    }
