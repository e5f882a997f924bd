"""Cancel an item: at once while it waits, through its worker while it is in work."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from generation.jobs import selectors
from generation.jobs.models import JobItem
from generation.jobs.services._finish import end_without_image
from generation.jobs.states import ITEM, ItemState
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context


def cancel_item(*, actor: Actor, item_id: UUID, now: datetime) -> str:
    """Cancel the item, or ask its worker to stop, and return its state.

    The sweeper ends an item whose worker does not answer within its lease; a late finish is
    fenced off. Raises: NotFound, NotPermitted, IllegalTransition once the item is over.
    """
    with transaction.atomic():
        # The row's lock: between the look and the act no worker takes the item, and none ends it.
        item = JobItem.objects.select_for_update().filter(pk=item_id).first()
        if item is None or not selectors.may_read(actor, item.brand_id, item.requester_id):
            raise NotFound(_("No job item has this id."), item_id=str(item_id))
        require(
            actor,
            Permission.GENERATION_JOB_CANCEL,
            Context(brand_id=item.brand_id, owner_id=item.requester_id),
        )
        ITEM.target("cancel", item.state)
        if item.state == ItemState.QUEUED:
            end_without_image(item, actor=actor, act="cancel", failure="", now=now)
        elif item.cancel_requested_at is None:
            item.cancel_requested_at = now
            item.save(update_fields=["cancel_requested_at"])
            ledger.append(
                actor=actor,
                event=Event.GENERATION_ITEM_CANCEL_ASKED,
                subject=SubjectRef("job_item", item.id, item.brand_id),
                now=now,
                facts={"job": str(item.job_id), "epoch": item.epoch},
            )
    return item.state
