"""Reads of jobs, items and replays, scoped: one's own, and those of one's brands."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.jobs.errors import PromptErased
from generation.jobs.models import GenerationJob, JobItem, Replay, UsedPicture, WornAdapter
from generation.jobs.records import (
    Box,
    HeldRecord,
    ItemRecord,
    JobRecord,
    OrderedAs,
    OrderFacts,
    Queue,
    ReplayRecord,
    Used,
    Wait,
    WorkerClassRecord,
    Worn,
)
from generation.jobs.states import OPEN_STATES, ItemState, ReplayOutcome, ReplayState
from generation.registry import selectors as registry
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.roles import Role
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.review import selectors as review
from governance.sealing import services as sealing

VARIABLES = "generation.variables"
PROMPT = "generation.prompt"
# The role that decides whether an image that could not be judged goes on.
HOLD_ROLE = Role.COMPLIANCE_REVIEWER
HOLD_ASKS = frozenset({HOLD_ROLE})
# Counting a longer queue would cost more than its number tells.
WAITING_COUNTED = 1000
# Of the latest renderings in a queue, those of one profile count, and of these the newest.
MEASURED_IN_QUEUE = 200
MEASURED = 50
SIZES_LATELY = 4


def get_job(actor: Actor, job_id: UUID) -> JobRecord:
    """Return one order with its items. Raises: NotFound, also for what this actor may not see."""
    job = _with_items(GenerationJob.objects.filter(pk=job_id)).first()
    if job is None or not may_read(actor, job.brand_id, job.requester_id):
        raise NotFound(_("No order has this id."), job_id=str(job_id))
    return _records_of([job])[0]


def find_job_by_key(actor: Actor, idempotency_key: str) -> UUID | None:
    """Return the actor's own order under that key, if there is one."""
    return (
        GenerationJob.objects.filter(requester_id=actor.id, idempotency_key=idempotency_key)
        .values_list("pk", flat=True)
        .first()
    )


def list_jobs(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    market: str | None = None,
    after: UUID | None = None,
    limit: int = 20,
) -> list[JobRecord]:
    """Return orders that the actor may see, newest first, from before `after`."""
    rows = _visible_jobs(actor)
    if brand_id is not None:
        rows = rows.filter(brand_id=brand_id)
    if market is not None:
        rows = rows.filter(market=market)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    return _records_of(list(_with_items(rows.order_by("-pk")[:limit])))


def get_item(actor: Actor, item_id: UUID) -> tuple[UUID, ItemRecord]:
    """Return an item's order id and the item. Raises: NotFound."""
    item = JobItem.objects.filter(pk=item_id).first()
    if item is None or not may_read(actor, item.brand_id, item.requester_id):
        raise NotFound(_("No job item has this id."), item_id=str(item_id))
    job = get_job(actor, item.job_id)
    return job.id, next(i for i in job.items if i.id == item_id)


def list_held(actor: Actor, *, after: UUID | None = None, limit: int = 50) -> list[HeldRecord]:
    """Return held images that wait for this actor's decision, oldest first, from behind `after`."""
    rows = (
        JobItem.objects.filter(state=ItemState.HELD, brand_id__in=_brands_of_holds(actor))
        .exclude(requester_id=actor.id)
        .select_related("job")
        .order_by("pk")
    )
    found: list[HeldRecord] = []
    while len(found) < limit:
        page = list((rows if after is None else rows.filter(pk__gt=after))[:limit])
        if not page:
            break
        after = page[-1].pk
        asset_of = assets.ids_by_item(item.id for item in page)
        own = review.contributed_to(actor.id, asset_of.values())
        found += [
            _held_record(item, asset_of[item.id])
            for item in page
            if item.id in asset_of and asset_of[item.id] not in own
        ]
    return found[:limit]


def hold_context(brand_id: UUID, requester_id: UUID, asset_id: UUID | None) -> Context:
    """Return what the permission to decide on a held image is asked with."""
    parts = frozenset() if asset_id is None else review.contributors(asset_id)
    return Context(brand_id=brand_id, contributors=parts | {requester_id}, asked_roles=HOLD_ASKS)


def wait_for(profile_id: UUID, queue: str, *, size: tuple[int, int] | None = None) -> Wait:
    """Return what waits in a queue, and how long an image of that profile (and size) took lately.

    The number tells nothing of whose images they are, so it is for everybody who may order.
    """
    waiting = JobItem.objects.filter(queue=queue, state=ItemState.QUEUED)
    return Wait(
        images=waiting[:WAITING_COUNTED].count(), image_s=seconds_of(profile_id, queue, size=size)
    )


def list_queues() -> list[Queue]:
    """Return each queue in which something waits, by name; what waits is counted up to a limit.

    One queue after the other by their names, so that no image is looked at for being one of many.
    """
    waiting = JobItem.objects.filter(state=ItemState.QUEUED)
    found: list[Queue] = []
    name = ""
    while (
        following := waiting.filter(queue__gt=name)
        .order_by("queue")
        .values_list("queue", flat=True)
        .first()
    ) is not None:
        name = following
        here = waiting.filter(queue=name)
        found.append(
            Queue(
                queue=name,
                images=here[:WAITING_COUNTED].count(),
                oldest_at=here.order_by("id").values_list("created_at", flat=True).first(),
            )
        )
    return found


def seconds_of(profile_id: UUID, queue: str, *, size: tuple[int, int] | None) -> float | None:
    """Return how long an image of that profile (and size) took lately; None if none was made."""
    latest = (
        JobItem.objects.filter(queue=queue, render_s__isnull=False)
        .order_by("-finished_at")
        .values_list("job__profile_id", "width_px", "height_px", "render_s")[:MEASURED_IN_QUEUE]
    )
    measured = [
        render_s
        for made_with, *made_size, render_s in latest
        if made_with == profile_id and size in {None, tuple(made_size)} and render_s is not None
    ][:MEASURED]
    return median(measured) if measured else None


def find_same(brand_id: UUID, fingerprint: str) -> UUID | None:
    """Return the first image of the brand that was rendered from the same recipe, if any.

    One that was refused or held is none; the caller is the worker.
    """
    item_id = (
        JobItem.objects.filter(
            brand_id=brand_id,
            fingerprint=fingerprint,
            state=ItemState.IN_REVIEW,
            reused_asset_id__isnull=True,
        )
        .order_by("pk")
        .values_list("pk", flat=True)
        .first()
    )
    return None if item_id is None else assets.ids_by_item([item_id]).get(item_id)


def sizes_lately(profile_id: UUID, queue: str) -> list[tuple[int, int]]:
    """Return the sizes in which a profile's images were made lately, the most frequent first."""
    latest = (
        JobItem.objects.filter(queue=queue, render_s__isnull=False)
        .order_by("-finished_at")
        .values_list("job__profile_id", "width_px", "height_px")[:MEASURED_IN_QUEUE]
    )
    counted = Counter(
        (width, height) for made_with, width, height in latest if made_with == profile_id
    )
    return [size for size, _times in counted.most_common(SIZES_LATELY)]


def queue_of(item_id: UUID) -> str | None:
    """Return the queue that an item was put into; None if there is no such item."""
    return JobItem.objects.filter(pk=item_id).values_list("queue", flat=True).first()


def job_ids_of(item_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return the order of each item, in one query; the caller has checked the actor."""
    rows = JobItem.objects.filter(pk__in=list(item_ids))
    return dict(rows.values_list("pk", "job_id"))


def pictures_of(item_id: UUID) -> tuple[Used, ...]:
    """Return the pictures that an item's image is made from; the caller checked the actor."""
    rows = UsedPicture.objects.filter(item_id=item_id).order_by("number")
    return tuple(
        Used(
            role=row.role,
            sha256=row.sha256,
            asset_id=row.asset_id,
            picture_id=row.picture_id,
            strength=row.strength,
            box=_box_of(row),
        )
        for row in rows
    )


def _box_of(row: UsedPicture) -> Box | None:
    left, top, right, bottom = row.box_left, row.box_top, row.box_right, row.box_bottom
    if left is None or top is None or right is None or bottom is None:
        return None
    return Box(left, top, right, bottom)


def worn_by(item_id: UUID) -> tuple[Worn, ...]:
    """Return what an item's image is made with besides the model; the caller checked the actor."""
    rows = WornAdapter.objects.filter(item_id=item_id).order_by("number")
    return tuple(Worn(registry.get_adapter(row.adapter_id), row.strength) for row in rows)


def prompt_of(actor: Actor, item_id: UUID) -> str | None:
    """Return an item's compiled prompt; None once it was erased. Raises: NotFound."""
    item = JobItem.objects.filter(pk=item_id).first()
    if item is None or not may_read(actor, item.brand_id, item.requester_id):
        raise NotFound(_("No job item has this id."), item_id=str(item_id))
    return sealing.reveal(sealed=bytes(item.prompt), purpose=PROMPT)


def get_order_facts(item_id: UUID) -> OrderFacts:
    """Return what a passport says of an item's order; for our own processes. Raises: NotFound."""
    item = JobItem.objects.select_related("job").filter(pk=item_id).first()
    if item is None:
        raise NotFound(_("No job item has this id."), item_id=str(item_id))
    return OrderFacts(
        job_id=item.job_id,
        item_id=item.id,
        requester_id=item.requester_id,
        template_id=item.job.template_id,
        template_version_id=item.job.template_version_id,
        template_name=item.job.template_name,
        ordered_at=item.job.created_at,
        render_s=item.render_s or 0.0,
        prompt_sealed=bytes(item.prompt),
        variables_sealed=bytes(item.job.variables),
        market=item.job.market,
    )


def ordered_as(job_ids: Iterable[UUID]) -> dict[UUID, OrderedAs]:
    """Return what each order was for, in one query; the caller has checked the actor."""
    rows = GenerationJob.objects.filter(pk__in=list(job_ids)).only(
        "template_id", "template_name", "market", "template_slug"
    )
    return {
        job.id: OrderedAs(job.template_id, job.template_name, job.market, job.template_slug)
        for job in rows
    }


def may_read(actor: Actor, brand_id: UUID, requester_id: UUID) -> bool:
    """Tell whether the actor may see an order of that brand and requester."""
    return permits.may(
        actor,
        Permission.GENERATION_JOB_READ,
        Context(brand_id=brand_id, owner_id=requester_id),
    )


def get_replay(actor: Actor, replay_id: UUID) -> ReplayRecord:
    """Return one replay. Raises: NotFound, also for what this actor may not see."""
    replay = Replay.objects.filter(pk=replay_id).first()
    if replay is None or not permits.may(
        actor, Permission.GENERATION_REPLAY_READ, Context(brand_id=replay.brand_id)
    ):
        raise NotFound(_("No replay has this id."), replay_id=str(replay_id))
    return _replay_record(replay)


def list_replays(
    actor: Actor, *, asset_id: UUID, after: UUID | None = None, limit: int = 20
) -> list[ReplayRecord]:
    """Return an image's replays, newest first, from before `after`.

    Raises: NotFound for an image that the actor may not see.
    """
    assets.get_asset(actor, asset_id)
    rows = _visible_replays(actor).filter(asset_id=asset_id).order_by("-pk")
    rows = rows if after is None else rows.filter(pk__lt=after)
    return [_replay_record(row) for row in rows[:limit]]


def list_worker_classes(actor: Actor) -> list[WorkerClassRecord]:
    """Return what the replays that the actor may see found on each class of worker, by its digest.

    One query counts; one more for each class reads its latest replay.
    """
    done = _visible_replays(actor).filter(state=ReplayState.DONE)
    drifted = Q(outcome=ReplayOutcome.DRIFTED)
    counted = (
        done.values("worker_class")
        .annotate(
            same=Count("pk", filter=Q(outcome=ReplayOutcome.SAME)),
            drifted=Count("pk", filter=drifted),
            broken=Count("pk", filter=drifted & Q(asset_class=F("worker_class"))),
            last_at=Max("finished_at"),
        )
        .order_by("worker_class")
    )
    found = []
    for row in counted:
        last = done.filter(worker_class=row["worker_class"]).order_by("finished_at", "pk").last()
        if last is not None:
            found.append(
                WorkerClassRecord(
                    sha256=row["worker_class"],
                    facts=last.worker_facts,
                    same=row["same"],
                    drifted=row["drifted"],
                    broken=row["broken"],
                    last_outcome=last.outcome,
                    last_at=row["last_at"],
                )
            )
    return found


def _visible_replays(actor: Actor) -> QuerySet[Replay]:
    """Return the replays that `get_replay` finds for the actor, as rows."""
    if permits.may_everywhere(actor, Permission.GENERATION_REPLAY_READ):
        return Replay.objects.all()
    return Replay.objects.filter(
        brand_id__in=permits.brands_where(actor, Permission.GENERATION_REPLAY_READ)
    )


def _replay_record(replay: Replay) -> ReplayRecord:
    return ReplayRecord(
        id=replay.id,
        asset_id=replay.asset_id,
        asset_sha256=replay.asset_sha256,
        brand_id=replay.brand_id,
        asked_by=replay.asked_by,
        created_at=replay.created_at,
        state=replay.state,
        attempts=replay.attempts,
        outcome=replay.outcome,
        made_sha256=replay.made_sha256,
        asset_class=replay.asset_class,
        worker_class=replay.worker_class,
        worker_facts=replay.worker_facts,
        report=replay.report,
        render_s=replay.render_s,
        failure=replay.failure,
        finished_at=replay.finished_at,
    )


def _brands_of_holds(actor: Actor) -> list[UUID]:
    return [
        brand_id
        for brand_id in actor.roles
        if permits.may(
            actor,
            Permission.REVIEW_CASE_DECIDE,
            Context(brand_id=brand_id, asked_roles=HOLD_ASKS),
        )
    ]


def _held_record(item: JobItem, asset_id: UUID) -> HeldRecord:
    return HeldRecord(
        id=item.id,
        job_id=item.job_id,
        brand_id=item.brand_id,
        requester_id=item.requester_id,
        template_name=item.job.template_name,
        number=item.number,
        asset_id=asset_id,
        held_at=item.finished_at or item.created_at,
    )


def _with_items(rows: QuerySet[GenerationJob]) -> QuerySet[GenerationJob]:
    return rows.prefetch_related(Prefetch("items", JobItem.objects.order_by("number")))


def _visible_jobs(actor: Actor) -> QuerySet[GenerationJob]:
    """Return the orders that `may_read` answers yes for, as rows."""
    if permits.may_everywhere(actor, Permission.GENERATION_JOB_READ):
        return GenerationJob.objects.all()
    return GenerationJob.objects.filter(
        Q(brand_id__in=permits.brands_where(actor, Permission.GENERATION_JOB_READ))
        | Q(
            brand_id__in=permits.brands_where_own(actor, Permission.GENERATION_JOB_READ),
            requester_id=actor.id,
        )
    )


def variables_of(job_id: UUID) -> Mapping[str, Any]:
    """Open an order's variables for the worker that makes its images.

    Raises: PromptErased if the person's texts were erased.
    """
    sealed = bytes(GenerationJob.objects.values_list("variables", flat=True).get(pk=job_id))
    opened = sealing.reveal(sealed=sealed, purpose=VARIABLES)
    if opened is None:
        raise PromptErased(
            _("The person's texts were erased, so this image can no longer be made.")
        )
    variables: Mapping[str, Any] = json.loads(opened)
    return variables


def _records_of(jobs: list[GenerationJob]) -> list[JobRecord]:
    """Turn rows into facts, with one look for all their assets and one for all their cases."""
    asset_of = assets.ids_by_item(item.id for job in jobs for item in job.items.all())
    cases = review.find_cases_for_subjects(asset_of.values())
    case_of = {subject_id: case.id for subject_id, case in cases.items()}
    opened = sealing.reveal_all(sealed=[bytes(job.variables) for job in jobs], purpose=VARIABLES)
    return [
        _record_of(job, variables, asset_of, case_of)
        for job, variables in zip(jobs, opened, strict=True)
    ]


def _record_of(
    job: GenerationJob,
    variables: str | None,
    asset_of: Mapping[UUID, UUID],
    case_of: Mapping[UUID, UUID],
) -> JobRecord:
    items = list(job.items.all())
    return JobRecord(
        id=job.id,
        brand_id=job.brand_id,
        template_id=job.template_id,
        template_version_id=job.template_version_id,
        template_name=job.template_name,
        requester_id=job.requester_id,
        profile_id=job.profile_id,
        created_at=job.created_at,
        state=state_of(item.state for item in items),
        variables=None if variables is None else json.loads(variables),
        items=tuple(
            ItemRecord(
                id=item.id,
                number=item.number,
                state=item.state,
                progress_share=progress_share(item.state, item.steps_done, item.steps),
                seed=item.seed,
                attempts=item.attempts,
                asset_id=asset_of.get(item.id),
                case_id=case_of.get(asset_of[item.id]) if item.id in asset_of else None,
                refusal_id=item.refusal_id,
                failure=item.failure,
                render_s=item.render_s,
                finished_at=item.finished_at,
                reused_asset_id=item.reused_asset_id,
            )
            for item in items
        ),
        parent_asset_id=job.parent_asset_id,
        market=job.market,
    )


def state_of(states: Iterable[str]) -> str:
    """Return an order's state from its items': queued, running or done."""
    found = set(states)
    if found == {ItemState.QUEUED}:
        return "queued"
    return "running" if found & set(OPEN_STATES) else "done"


def progress_share(state: str, steps_done: int, steps: int) -> float:
    """Return how far an item is, 0 to 1."""
    if state not in OPEN_STATES:
        return 1.0
    return min(1.0, steps_done / steps) if steps else 0.0
