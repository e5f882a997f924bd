"""Send a refused image into review after its refusal was overridden; that approves nothing."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.jobs.errors import NotOverridden
from generation.jobs.models import JobItem
from generation.jobs.services._finish import open_case_of
from generation.jobs.states import ITEM
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import NotFound
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.refusals import selectors as refusals
from governance.tables.records import move


def overturn_refusal(*, actor: Actor, refusal_id: UUID, now: datetime) -> UUID:
    """Move the item of an overridden image refusal into review, and return the item's id.

    The override is who decided and why; the case that opens names it, so that reviewers look for
    what was found. Raises: NotFound, NotOverridden, IllegalTransition; whatever keeps a case from
    being opened, and then nothing has moved.
    """
    with transaction.atomic():
        override = refusals.find_override(actor, refusal_id)
        if override is None:
            raise NotOverridden(
                _("Nobody has overridden this refusal, so the image stays refused."),
                refusal_id=str(refusal_id),
            )
        refusal = refusals.get_refusal(actor, refusal_id)
        asset = assets.find_by_subject(refusal.subject_id)
        if asset is None:
            raise NotFound(_("This refusal is not about an image."))
        item = JobItem.objects.select_for_update(of=("self",)).select_related("job")
        refused = item.get(pk=asset.item_id)
        move(refused, ITEM.target("overturn", refused.state))
        named = {"refusal_id": str(refusal_id), "override_id": str(override.id)}
        ledger.append(
            actor=actor,
            event=Event.GENERATION_ITEM_OVERTURNED,
            subject=SubjectRef("asset", asset.id, asset.brand_id, asset.sha256),
            now=now,
            facts={"item": str(refused.id), "job": str(refused.job_id), **named},
        )
        open_case_of(
            actor=SYSTEM,
            item=refused,
            asset_id=asset.id,
            profile_id=refused.job.profile_id,
            now=now,
            more_pins=named,
        )
    return refused.id
