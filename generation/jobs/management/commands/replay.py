"""`replay ASSET` has an image made again and says whether it became the same bytes."""

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from generation.jobs import selectors, services
from generation.jobs.records import ReplayRecord
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError

LOOK_AGAIN_S = 0.5
DRIFTED = 3


class Command(BaseCommand):
    """Asks for a replay and waits for it, or makes it in this process."""

    help = (
        "Make an image again from its recipe: exits with 0 for the same bytes, 3 for other ones "
        "(with a drift report), and 1 if it could not be made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("asset", nargs="?", type=UUID, help="the image's id")
        parser.add_argument("--as", required=True, dest="username", help="who asks")
        parser.add_argument(
            "--here", action="store_true", help="make it in this process, on its WORKER_DEVICE"
        )
        parser.add_argument(
            "--wait-s", type=int, default=600, help="how long to wait for a worker (default 600)"
        )
        parser.add_argument(
            "--classes",
            action="store_true",
            help="print what replays found on each class of worker instead",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["classes"] == (options["asset"] is not None):
            raise CommandError("Name an image, or ask for --classes.")
        try:
            actor: Actor = import_string(settings.ACTOR_BY_USERNAME)(options["username"])
            if options["classes"]:
                self._print_classes(actor)
            else:
                self._replay(actor, options)
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _replay(self, actor: Actor, options: dict[str, Any]) -> None:
        is_here = options["here"]
        replay = services.ask_for_replay(
            actor=actor, asset_id=options["asset"], now=clock.now(), is_hinted=not is_here
        )
        if is_here:
            # Only here: it brings the engines, which nobody needs who waits for a worker.
            from generation.jobs import replaying

            replaying.work_on(replay.id, is_patient=False)
        self._print_outcome(_when_over(actor, replay.id, options["wait_s"]))

    def _print_outcome(self, replay: ReplayRecord) -> None:
        if replay.failure:
            raise CommandError(f"Replay {replay.id} failed: {replay.failure}")
        own = "the class that made it" if replay.is_own_class else "another class than made it"
        self.stdout.write(f"replay        {replay.id}")
        self.stdout.write(f"image         {replay.asset_sha256}")
        self.stdout.write(f"made again    {replay.made_sha256}")
        self.stdout.write(f"worker class  {replay.worker_class[:12]} ({own})")
        for each in replay.report["changed"]:
            then, now = each["then"] or "not recorded", each["now"] or "not recorded"
            self.stdout.write(f"  {each['fact']}: {then} -> {now}")
        if replay.outcome == "same":
            self.stdout.write("The same bytes.")
            return
        if "first_drift" in replay.report:
            began = replay.report["first_drift"]
            self.stdout.write(f"  began at step {began['number']}: {began['name']}")
        if "unmeasured" in replay.report:
            self.stdout.write(f"  not measured: {replay.report['unmeasured']}")
        for name, value in replay.report.get("pixels", {}).items():
            self.stdout.write(f"  {name}: {value}")
        what = "The same pixels, other bytes." if replay.report["are_pixels_same"] else "Drifted."
        raise CommandError(what, returncode=DRIFTED)

    def _print_classes(self, actor: Actor) -> None:
        for each in selectors.list_worker_classes(actor):
            self.stdout.write(
                f"{each.sha256[:12]}  same {each.same}  drifted {each.drifted} (of images of its "
                f"own {each.broken})  last {each.last_at:%Y-%m-%d %H:%M} {each.last_outcome}"
            )
            for name, value in each.facts.items():
                self.stdout.write(f"  {name}: {value}")


def _when_over(actor: Actor, replay_id: UUID, wait_s: int) -> ReplayRecord:
    """Return the replay once it is over. Raises: CommandError after `wait_s`."""
    end = time.monotonic() + wait_s
    while not (replay := selectors.get_replay(actor, replay_id)).is_over:
        if time.monotonic() >= end:
            raise CommandError(
                f"Replay {replay_id} is still {replay.state} after {wait_s} s. It goes on; the API "
                "tells its outcome."
            )
        time.sleep(LOOK_AGAIN_S)
    return replay
