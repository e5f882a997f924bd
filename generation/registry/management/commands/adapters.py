"""`adapters`: the way of a LoRA or ControlNet into use: add, approve, list, verify, retire."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from generation.registry import selectors, services
from generation.registry.management import pins
from generation.registry.states import AdapterKind
from generation.weights import layers, snapshot
from governance.kernel import clock
from governance.kernel.errors import DomainError

Options = Mapping[str, Any]


class Command(BaseCommand):
    """Looks after adapters."""

    help = (
        "Look after what models wear: one platform admin adds a LoRA or ControlNet, which must fit "
        "a model in use, and another one approves it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="every version of every adapter, and how it stands")
        acts.add_parser("verify", help="hash the files of all adapters in use again")
        add = acts.add_parser("add", help="propose a new version")
        add.add_argument("folder", help="its folder, below the models folder")
        add.add_argument("--slug", required=True, help="its name in templates")
        add.add_argument("--name", required=True, help="what people call it")
        add.add_argument("--base", required=True, help="a model profile in use that it must fit")
        add.add_argument(
            "--licence", type=UUID, required=True, help="its licence on record: the id"
        )
        add.add_argument(
            "--training-record",
            type=Path,
            required=True,
            help="a text file: what it was trained on, and by what right",
        )
        add.add_argument(
            "--trigger", action="append", default=[], help="a word that it wants in the prompt"
        )
        approve = acts.add_parser("approve", help="approve a proposed adapter")
        retire = acts.add_parser("retire", help="take an adapter out of use")
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
        for each in selectors.list_adapters():
            self.stdout.write(
                f"{each.slug}@{each.number}  {each.state}  {each.kind}  {each.family}  "
                f"{each.licence}  {each.snapshot_sha256[:12]}  {each.id}"
            )

    def _verify(self, _options: Options) -> None:
        in_use = [each for each in selectors.list_adapters() if each.state == "approved"]
        failed = pins.verify(in_use, self.stdout)
        if failed:
            raise CommandError(f"{failed} of the adapters in use are not what was approved.")

    def _add(self, options: Options) -> None:
        actor = pins.actor_named(options["username"])
        base = selectors.current_profile(options["base"])
        folder = pins.folder_of(options["folder"])
        found = snapshot.digest_folder(folder)
        kind = _kind_that_fits(folder, pins.folder_of(base.folder))
        made = services.propose_adapter(
            actor=actor,
            slug=options["slug"],
            name=options["name"],
            kind=kind,
            family=base.family,
            folder=options["folder"],
            snapshot_sha256=found.sha256,
            files=[{"path": f.path, "size": f.size, "sha256": f.sha256} for f in found.files],
            trigger_words=options["trigger"],
            training_record=_text_of(options["training_record"]),
            licence_id=options["licence"],
            now=clock.now(),
        )
        self.stdout.write(
            f"{made.slug}@{made.number} ({made.kind}, {found.size_bytes} bytes, fits {base.slug}@"
            f"{base.number}) is proposed. Somebody else approves it: adapters approve {made.id}"
        )

    def _approve(self, options: Options) -> None:
        """Approve what lies there now: other files than those proposed are a new proposal."""
        proposed = selectors.get_adapter(options["id"])
        snapshot.verify(pins.folder_of(proposed.folder), proposed.snapshot_sha256)
        made = services.approve_adapter(
            actor=pins.actor_named(options["username"]), adapter_id=proposed.id, now=clock.now()
        )
        self.stdout.write(f"{made.slug}@{made.number} is approved; templates may name it.")

    def _retire(self, options: Options) -> None:
        made = services.retire_adapter(
            actor=pins.actor_named(options["username"]),
            adapter_id=options["id"],
            now=clock.now(),
        )
        self.stdout.write(f"{made.slug}@{made.number} is retired.")


def _kind_that_fits(folder: Path, base: Path) -> str:
    """Return what the folder holds, once it is seen to fit the model. Raises: DomainError."""
    if (folder / layers.LORA_FILE).is_file():
        layers.require_lora_fits(folder, base)
        return AdapterKind.LORA
    layers.require_controlnet_fits(folder, base)
    return AdapterKind.CONTROLNET


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The training record {path} cannot be read as text.") from error
