"""Promise 7, replay: what a replay found stays found, and says the same only of the same bytes.

Each attack is refused with every guard on, and succeeds with exactly its guards off.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from generation.jobs import selectors, services
from governance.kernel.ids import uuid7
from governance.tables import guards
from tests import databases
from tests.factories import jobs as make
from tests.factories import replays as again
from tests.factories import review
from tests.promises.attacks import Attack, change, constraint, copied, count, play
from tests.promises.test_work import added, gone, moved

pytestmark = pytest.mark.django_db(transaction=True)

REPLAY = "jobs_replay"
OVER = "jobs_replay_over_is_over"


class Scene:
    """One image with a replay that drifted, one that failed, one in work and one that waits."""

    def __init__(self) -> None:
        shop = make.shop()
        self.asset = make.finish(make.claimed(shop.order().items[0]))
        auditor = shop.team.auditor
        drifted, failed, leased, waiting = (again.asked(self.asset, auditor) for _ in range(4))
        services.finish_replay(
            claim=again.claimed(drifted),
            remade=again.remade(drifted, sha256="d" * 64, report={"changed": []}),
            now=make.NOW,
        )
        services.fail_replay(claim=again.claimed(failed), failure="No weights.", now=make.NOW)
        again.claimed(leased)
        self.drifted, self.failed = drifted.id, failed.id
        self.leased, self.waiting = leased.id, waiting.id
        self.sha256, self.id = drifted.asset_sha256, uuid7()

    def forged(self, **changes: Any) -> dict[str, Any]:
        """Return the waiting replay's row as another one."""
        return copied(REPLAY, self.waiting) | {"id": self.id} | changes


ATTACKS: tuple[Attack[Scene], ...] = (
    Attack(
        "call a drift the same bytes",
        [OVER],
        act=lambda s: change(REPLAY, s.drifted, outcome="same", made_sha256=s.sha256),
        worked=lambda s: count(REPLAY, id=s.drifted, outcome="same") == 1,
    ),
    Attack("soften a report", [OVER], **moved(REPLAY, "drifted", report='{"changed": [1]}')),
    Attack("claim another worker", [OVER], **moved(REPLAY, "drifted", worker_class="e" * 64)),
    Attack("explain a failure away", [OVER], **moved(REPLAY, "failed", failure="Power cut.")),
    Attack(
        "try again what is over",
        [OVER, "jobs_replay_moves"],
        act=lambda s: change(REPLAY, s.failed, state="queued", finished_at=None),
        worked=lambda s: count(REPLAY, id=s.failed, state="queued") == 1,
    ),
    Attack(
        "replay another image, afterwards",
        ["jobs_replay_frozen"],
        **moved(REPLAY, "waiting", asset_sha256="d" * 64),
    ),
    Attack("lose a drift", ["jobs_replay_never_deleted"], **gone(REPLAY, "drifted")),
    Attack(
        "end a replay that nobody took",
        ["jobs_replay_moves"],
        act=lambda s: change(
            REPLAY,
            s.waiting,
            state="done",
            outcome="drifted",
            made_sha256="d" * 64,
            finished_at=make.NOW,
        ),
        worked=lambda s: count(REPLAY, id=s.waiting, state="done") == 1,
    ),
    Attack("take a fence back", ["jobs_replay_epoch_grows"], **moved(REPLAY, "leased", epoch=0)),
    Attack(
        "say the same of other bytes",
        [constraint(REPLAY, "replay_same_means_same_bytes")],
        act=lambda s: change(
            REPLAY,
            s.leased,
            state="done",
            outcome="same",
            made_sha256="d" * 64,
            finished_at=make.NOW,
            lease_until=None,
        ),
        worked=lambda s: count(REPLAY, id=s.leased, outcome="same") == 1,
    ),
    Attack(
        "be done without an outcome",
        [constraint(REPLAY, "replay_outcome_when_done")],
        act=lambda s: change(
            REPLAY, s.leased, state="done", finished_at=make.NOW, lease_until=None
        ),
        worked=lambda s: count(REPLAY, id=s.leased, state="done") == 1,
    ),
    Attack(
        "forge a replay that is over",
        ["jobs_replay_of_an_image"],
        **added(
            REPLAY,
            lambda s: s.forged(
                state="done", outcome="same", made_sha256=s.sha256, finished_at=make.NOW
            ),
        ),
    ),
    Attack(
        "replay bytes that no image has",
        ["jobs_replay_of_an_image"],
        **added(REPLAY, lambda s: s.forged(asset_sha256="d" * 64)),
    ),
    Attack(
        "replay an image in another brand's name",
        ["jobs_replay_of_an_image"],
        **added(REPLAY, lambda s: s.forged(brand_id=uuid7())),
    ),
)


@pytest.fixture
def scene(settings: Any, tmp_path: Path) -> Iterator[Scene]:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    yield Scene()
    assert guards.missing(connection) == []


def test_what_a_replay_found_stays(scene: Scene, subtests: pytest.Subtests) -> None:
    play(ATTACKS, scene, subtests)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no roles")
class TestItsProcesses:
    def test_write_their_part_and_only_the_worker_says_what_was_found(
        self, settings: Any, tmp_path: Path
    ) -> None:
        review.use_sealing_key(settings, tmp_path)
        make.use_blobs(settings, tmp_path / "blobs")
        shop = make.shop()
        asset_id = make.finish(make.claimed(shop.order().items[0]))
        with databases.as_role("reviewer"):
            replay = again.asked(asset_id, shop.team.auditor)
            with pytest.raises(ProgrammingError, match="permission denied"):
                again.claimed(replay)
        with databases.as_role("app"):
            again.claimed(replay)
        with databases.as_role("sequencer"):
            again.let_expire(replay.id)
            assert services.sweep_replays(now=make.NOW) == 1
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                transaction.atomic(),
            ):
                change(REPLAY, replay.id, outcome="same", made_sha256=replay.asset_sha256)
        with databases.as_role("app"):
            services.finish_replay(
                claim=again.claimed(replay), remade=again.remade(replay), now=make.NOW
            )
        over = selectors.get_replay(shop.team.auditor, replay.id)
        assert (over.outcome, over.attempts) == ("same", 2)

    def test_let_the_sweeper_end_what_stops_every_worker(
        self, settings: Any, tmp_path: Path
    ) -> None:
        review.use_sealing_key(settings, tmp_path)
        make.use_blobs(settings, tmp_path / "blobs")
        settings.ITEM_ATTEMPTS = 1
        shop = make.shop()
        replay = again.asked(make.finish(make.claimed(shop.order().items[0])), shop.team.auditor)
        again.claimed(replay)
        again.let_expire(replay.id)
        with databases.as_role("sequencer"):
            assert services.sweep_replays(now=make.NOW) == 1
        assert selectors.get_replay(shop.team.auditor, replay.id).state == "failed"
