"""Where the publisher starts: hints name a case or a publication; the gate decides, not the hint."""

from uuid import UUID

from celery import shared_task


@shared_task(name="publishing.release")
def release(*, case_id: str, **_later: object) -> None:
    """Release what the case approved, once its approval is under a signed checkpoint."""
    from governance.kernel.clock import now
    from imprimatur.publishing import services

    services.release_case(case_id=UUID(case_id), now=now())


@shared_task(name="publishing.deliver")
def deliver(*, publication_id: str, **_later: object) -> None:
    """Deliver a publication, if it still waits."""
    from governance.kernel.clock import now
    from imprimatur.publishing import services

    services.deliver(publication_id=UUID(publication_id), now=now())
