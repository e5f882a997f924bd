"""Where a worker starts: a hint names an item, and acting on it twice does it once."""

from uuid import UUID

from celery import shared_task


@shared_task(name="generation.jobs.render")
def render(*, item_id: str, **_later: object) -> None:
    """Render the item if it still waits."""
    from generation.jobs import worker

    worker.work_on(UUID(item_id))
