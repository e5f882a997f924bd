"""Where the publisher starts: a hint names what to look at, and the gate decides."""

from uuid import UUID

import structlog
from celery import shared_task

from governance.kernel.errors import DomainError

log = structlog.get_logger(__name__)


@shared_task(name="publishing.release")
def release(*, case_id: str, **_later: object) -> None:
    """Release what the case approved, once its approval is under a signed checkpoint."""
    from governance.kernel.clock import now
    from imprimatur.publishing import services

    try:
        services.release_case(case_id=UUID(case_id), now=now())
    except DomainError as error:
        # The refusal is on record, and the sweeper asks again for what may still be released.
        log.error("Unable to release", case_id=case_id, code=error.code, reason=error.detail)  # noqa: TRY400


@shared_task(name="publishing.deliver")
def deliver(*, publication_id: str, **_later: object) -> None:
    """Deliver a publication, if it still waits."""
    from governance.kernel.clock import now
    from imprimatur.publishing import services

    services.deliver(publication_id=UUID(publication_id), now=now())


@shared_task(name="publishing.unpublish")
def unpublish(*, publication_id: str, **_later: object) -> None:
    """Take a copy of a withdrawn release away, if it still waits for that."""
    from governance.kernel.clock import now
    from imprimatur.publishing import services

    services.unpublish(publication_id=UUID(publication_id), now=now())


@shared_task(name="publishing.reconcile")
def reconcile(*, destination_id: str, **_later: object) -> None:
    """Look round a destination for what no record explains."""
    from governance.kernel.clock import now
    from imprimatur.publishing import services

    try:
        services.reconcile(destination_id=UUID(destination_id), now=now())
    except DomainError as error:
        log.error(  # noqa: TRY400  the next round looks again
            "Unable to look round a destination", destination_id=destination_id, code=error.code
        )
