"""Where a worker starts: a hint names an item or a replay, and acting on it twice does it once."""

from uuid import UUID

from celery import shared_task


@shared_task(name="generation.jobs.render")
def render(*, item_id: str, **_later: object) -> None:
    """Render the item if it still waits."""
    from generation.jobs import worker

    worker.work_on(UUID(item_id))


@shared_task(name="generation.jobs.replay")
def replay(*, replay_id: str, **_later: object) -> None:
    """Make an image again, if its replay still waits and no ordered image does."""
    from generation.jobs import replaying

    replaying.work_on(UUID(replay_id))
