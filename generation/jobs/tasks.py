"""Where a worker starts: a hint says where to look, and acting on it twice does nothing twice."""

from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down


@shared_task(name="generation.jobs.render")
def render(*, item_id: str, **_later: object) -> None:
    """Make what waits where this item was put, in the order of its turns."""
    from generation.jobs import selectors, worker

    queue = selectors.queue_of(UUID(item_id))
    if queue is not None:
        worker.drain(queue)


@shared_task(name="generation.jobs.replay")
def replay(*, replay_id: str, **_later: object) -> None:
    """Make an image again, if its replay still waits and no ordered image does."""
    from generation.jobs import replaying

    replaying.work_on(UUID(replay_id))


@worker_ready.connect
def _warm_up(**_: object) -> None:
    """Load what this worker is to hold, before it takes its first hint."""
    from generation.jobs import warming

    warming.warm_up()


@worker_shutting_down.connect
def _claim_nothing_more(**_: object) -> None:
    """Let a worker that is told to stop end with the image that it is at."""
    from generation.jobs import worker

    worker.stopping.set()
