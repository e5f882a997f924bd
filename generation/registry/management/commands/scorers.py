"""`scorers`: which there are, and the way of another one into use: add, approve, verify, retire."""

import json
import math
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from generation.registry import selectors, services
from generation.registry.records import ScorerCard
from generation.registry.selectors import ScorerRecord
from generation.scoring import conformance, conventions, discover
from generation.scoring.cards import Card, card_of
from generation.scoring.protocol import ScorerEntry
from generation.scoring.suite import ScoringSuite
from generation.weights import runtime, snapshot
from governance.kernel import clock
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError

Options = Mapping[str, Any]


class Command(BaseCommand):
    """Looks after scorers."""

    help = (
        "Look after scorers: list them, check one, and bring one with a model into use, which one "
        "platform admin adds and another one approves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="every scorer: of this release, of plug-ins, registered")
        acts.add_parser("sync", help="record what the scorers say of themselves, for policies")
        check = acts.add_parser("check", help="whether a scorer does what the product relies on")
        conformance.add_arguments(check)
        acts.add_parser("conventions", help="scorers that many use, and what to mind")
        acts.add_parser("verify", help="hash the folders of all scorers in use again")
        add = acts.add_parser("add", help="propose a scorer with a model")
        add.add_argument("folder", help="its folder, below the models folder")
        add.add_argument("--convention", help="see `scorers conventions`")
        add.add_argument("--kind", help="the kind that runs it, unless a convention says")
        add.add_argument("--id", dest="scorer", help="the name that policies will use")
        add.add_argument("--settings", type=json.loads, default={}, help="as JSON")
        add.add_argument(
            "--licence", type=UUID, required=True, help="its licence on record: the id"
        )
        add.add_argument("--embedding-width", type=int, default=64, help="of its encoder, if any")
        add.add_argument(
            "--encoder-sha256", default="0" * 64, help="of its encoder, if it pins one"
        )
        approve = acts.add_parser("approve", help="approve a proposed scorer")
        retire = acts.add_parser("retire", help="take a scorer out of use")
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
        for kind in discover.discover().values():
            if kind.build is None:
                self._write_card(card_of(discover.make(kind), kind.package))
            else:
                self.stdout.write(f"{kind.name}: a kind that takes a model, of {kind.package}")
        for record in selectors.list_scorers():
            self.stdout.write(f"{record.scorer}@{record.number}  {record.state}  {record.id}")
            self._write_registered(record)

    def _sync(self, _options: Options) -> None:
        """Record the cards of all that would run here: formulas, packs' models, registered ones."""
        models = _models()
        suites = [
            ScoringSuite.from_folder(
                models / str(profile.scorers["folder"]),
                [ScorerEntry(**entry) for entry in profile.scorers["entries"]],
            )
            for profile in selectors.list_profiles()
        ]
        registered = [ScorerEntry(**each.entry) for each in selectors.usable_scorers()]
        suites.append(ScoringSuite.from_folder(models, registered))
        cards = {card.id: card for suite in suites for card in suite.cards}
        count = _record_cards(cards.values())
        self.stdout.write(f"{len(cards)} scorers, {count} of them new or changed")

    def _check(self, options: Options) -> None:
        names = ("name", "folder", "licence", "settings", "embedding_width", "encoder_sha256")
        faults = conformance.check_named(**{name: options[name] for name in names})
        if faults:
            raise CommandError("\n".join([f"{options['name']} does not conform:", *faults]))
        self.stdout.write(f"{options['name']} conforms")

    def _conventions(self, _options: Options) -> None:
        for name in conventions.list_names():
            found = conventions.read(name)
            self.stdout.write(f"{name}: {found.title}")
            self.stdout.write(f"  model    {found.model}")
            self.stdout.write(f"  files    {', '.join(found.files)}")
            self.stdout.write(f"  licence  {found.licence}")
            self.stdout.write(f"  needs    {found.needs}")
            self.stdout.write(f"  begin    {json.dumps(dict(found.start_with))}")
            for caution in found.cautions:
                self.stdout.write(f"  mind     {caution}")

    def _verify(self, _options: Options) -> None:
        failed = 0
        for record in selectors.usable_scorers():
            try:
                snapshot.verify(_models() / record.folder, record.snapshot_sha256)
            except DomainError as error:
                failed += 1
                self.stdout.write(f"{record.scorer}@{record.number}: {error.detail}")
            else:
                self.stdout.write(f"{record.scorer}@{record.number}: as it was approved")
        if failed:
            raise CommandError(f"{failed} of the scorers in use are not what was approved.")

    def _add(self, options: Options) -> None:
        actor = _actor(options["username"])
        entry = _entry(options)
        if entry.id in discover.discover():
            raise CommandError(
                f"A scorer of this release or of a plug-in is named '{entry.id}' already: choose "
                "another name with --id."
            )
        runtime.prepare_process()
        scorer = discover.build(entry, _models(), "cpu")
        faults = conformance.check(
            scorer,
            folder=_models() / entry.folder,
            embedding_width=options["embedding_width"],
            encoder_sha256=options["encoder_sha256"],
        )
        if faults:
            raise CommandError("\n".join(["The scorer does not conform:", *faults]))
        card = card_of(scorer)
        low, high = (end if math.isfinite(end) else None for end in card.range)
        made = services.propose_scorer(
            actor=actor,
            scorer=card.id,
            title=card.title,
            kind=entry.kind,
            version=card.version,
            folder=entry.folder,
            snapshot_sha256=entry.snapshot_sha256,
            settings=entry.settings,
            higher_is=card.higher_is,
            low=low,
            high=high,
            inputs=sorted(card.inputs),
            cost_ms=card.cost_ms,
            licence_id=options["licence"],
            now=clock.now(),
        )
        self.stdout.write(f"Proposed {made.scorer}@{made.number}: {made.id}")
        self._write_registered(made)
        self.stdout.write("It is used once another platform admin approved it.")

    def _approve(self, options: Options) -> None:
        actor = _actor(options["username"])
        made = services.approve_scorer(actor=actor, scorer_id=options["id"], now=clock.now())
        # Policies are proposed where no scorer can be loaded: they know it by its card.
        _record_cards(ScoringSuite.from_folder(_models(), [ScorerEntry(**made.entry)]).cards)
        self.stdout.write(f"Approved {made.scorer}@{made.number}: policies may name it.")

    def _retire(self, options: Options) -> None:
        actor = _actor(options["username"])
        made = services.retire_scorer(actor=actor, scorer_id=options["id"], now=clock.now())
        self.stdout.write(f"Retired {made.scorer}@{made.number}.")

    def _write_registered(self, record: ScorerRecord) -> None:
        self.stdout.write(
            f"  {record.title}; kind {record.kind}, version {record.version}, "
            f"{record.higher_is} the higher, {record.cost_ms:g} ms, licence {record.licence}, "
            f"folder {record.folder}, weights {record.snapshot_sha256}"
        )

    def _write_card(self, card: Card) -> None:
        self.stdout.write(f"{card.id}: of {card.package}")
        self.stdout.write(
            f"  {card.title}; version {card.version}, {card.higher_is} the higher, "
            f"{card.cost_ms:g} ms, licence {card.licence}, "
            f"inputs {', '.join(sorted(card.inputs))}, weights {card.weights_sha256 or 'none'}"
        )


def _record_cards(cards: Iterable[Card]) -> int:
    """Record cards and return how many were new."""
    return services.record_scorer_cards(
        actor=SYSTEM, cards=[ScorerCard(**card.to_facts()) for card in cards], now=clock.now()
    )


def _actor(username: str) -> Actor:
    actor: Actor = import_string(settings.ACTOR_BY_USERNAME)(username)
    return actor


def _models() -> Path:
    return Path(settings.MODELS_FOLDER)


def _entry(options: Options) -> ScorerEntry:
    """Return the scorer that is asked for, with the digest of its folder as it is now."""
    told: dict[str, Any] = {"kind": options["kind"], "scorer": options["scorer"]}
    given = options["settings"]
    if not isinstance(given, dict):
        raise CommandError("The settings are a JSON object.")
    usual: Mapping[str, Any] = {}
    if options["convention"]:
        found = conventions.read(options["convention"])
        told = {"kind": told["kind"] or found.kind, "scorer": told["scorer"] or found.scorer}
        usual = found.settings
    if not told["kind"] or not told["scorer"]:
        raise CommandError("Name a --convention, or both --kind and --id.")
    folder = options["folder"]
    entry = ScorerEntry(told["kind"], folder, "", "", {**usual, **given}, told["scorer"])
    digest = snapshot.digest_folder(entry.resolve(_models())).sha256
    return ScorerEntry(
        kind=entry.kind,
        folder=folder,
        snapshot_sha256=digest,
        # The name stands in the licence's record; the scorer's own card shows the record's id.
        licence=f"record {options['licence']}",
        settings=entry.settings,
        id=entry.id,
    )
