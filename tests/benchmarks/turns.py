"""Asks what the queue promises of the real claim query: fair turns, few swaps of models, flat cost.

Run `python -m tests.benchmarks.turns` on PostgreSQL. Images are ordered and claimed through the
services, each claim counting as one unit of time; first come, first served is reckoned beside it
from the same orders. Then a claim is timed with a thousand and with a million images waiting.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import django

QUEUE = "render.cpu"
MODELS, WORKERS, JOBS, PEOPLE = 4, 2, 400, 8
TIMED = 60
ITEMS = """
INSERT INTO jobs_jobitem (
  id, created_at, job_id, brand_id, requester_id, number, queue, lane_id, cost_s, prompt,
  negative_prompt, seed, width_px, height_px, steps, guidance, fingerprint, state, epoch, attempts,
  lease_until, leased_by, hinted_at, cancel_requested_at, steps_done, render_s, failure, refusal_id,
  finished_at)
SELECT gen_random_uuid(), now(), i.job_id, i.brand_id, i.requester_id, 2, i.queue, i.lane_id,
  i.cost_s, i.prompt, i.negative_prompt, i.seed, i.width_px, i.height_px, i.steps, i.guidance,
  i.fingerprint, 'queued', 0, 0, NULL, '', now(), NULL, 0, NULL, '', NULL, NULL
FROM generate_series(1, %s) AS n, (
  SELECT DISTINCT ON (lane_id) * FROM jobs_jobitem WHERE state = 'queued' ORDER BY lane_id, id
) AS i
"""


def main() -> None:
    """Print each figure beside its baseline."""
    django.setup()
    from django.conf import settings
    from django.db import connection

    from tests.factories import jobs as make
    from tests.factories import review

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with TemporaryDirectory() as folder:
            review.use_sealing_key(settings, Path(folder))
            make.use_blobs(settings, Path(folder) / "blobs")
            shop = make.shop(images=10_000)
            fairness(shop)
            affinity(shop)
            flat(shop)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def fairness(shop: Any) -> None:
    """One person orders 200 images, then seven one each; and eight order fifty each."""
    crowd = people(shop, PEOPLE)
    order(shop, crowd[0], 200)
    for one in crowd[1:]:
        order(shop, one, 1)
    served = [claim.requester_id for claim in claims()]
    waits = [served.index(one.id) for one in crowd[1:]]
    say(
        f"{PEOPLE - 1} people with 1 image behind one with 200: the longest wait is {max(waits)} "
        f"images (goal: at most {PEOPLE}); first come, first served {200 + PEOPLE - 2}"
    )
    for one in crowd:
        order(shop, one, 50)
    half = Counter(claim.requester_id for claim in claims(200))
    first_come = Counter(number // 50 for number in range(200))
    say(
        f"Jain's index over {PEOPLE} people after half of {PEOPLE * 50} images: "
        f"{jain([half[one.id] for one in crowd]):.3f} (goal: at least 0.95); "
        f"first come, first served {jain([first_come[n] for n in range(PEOPLE)]):.3f}"
    )
    claims()


def affinity(shop: Any) -> None:
    """Four models, two workers that hold one each, 400 images in random order."""
    from tests.factories import jobs as make
    from tests.factories.quota import grant_images

    shops = []
    for number in range(MODELS):
        profile = make.profile(slug=f"model-{number}", snapshot_sha256=f"{number}" * 64)
        grant_images(profile.id, None, 10_000, "model")
        shops.append(shop.with_profile(profile))
    crowd = people(shop, PEOPLE)
    chance = random.Random(7)
    ordered = [(chance.choice(shops), chance.choice(crowd)) for _ in range(JOBS)]
    for where, one in ordered:
        order(where, one, 1)
    held, swaps, served = [""] * WORKERS, 0, []
    passed: list[int] = []
    for turn in range(JOBS):
        worker = turn % WORKERS
        claim = next_claim((held[worker],))
        swaps += claim.profile.snapshot_sha256 != held[worker]
        held[worker] = claim.profile.snapshot_sha256
        served.append(claim.requester_id)
        passed.append(most_passed())
    fifo = sum(
        where.profile.id != ordered[number - WORKERS][0].profile.id if number >= WORKERS else 1
        for number, (where, _one) in enumerate(ordered)
    )
    half = Counter(served[: JOBS // 2])
    say(
        f"{MODELS} models, {WORKERS} workers, {JOBS} images of {PEOPLE} people: {swaps} swaps "
        f"against {fifo} of first come, first served, ratio {swaps / fifo:.2f} (goal: at most "
        f"0.25); nobody was passed over more than {max(passed)} times (at most 32); Jain's index "
        f"after half of it {jain([half[one.id] for one in crowd]):.3f}"
    )


def flat(shop: Any) -> None:
    """Time claims with a thousand and with a million images waiting in the same lanes."""
    crowd = people(shop, 20)
    for one in crowd:
        order(shop, one, 1)
    took = {}
    for more in (50, 50_000):
        fill(more)
        took[more] = timed()
    few, many = (median(took[more]) for more in took)
    say(
        f"a claim with 1,000 images waiting {few:.2f} ms, with 1,001,000 {many:.2f} ms "
        f"(medians of {TIMED}), ratio {many / few:.2f} (goal: at most 1.2)"
    )


def timed() -> list[float]:
    """Return what single claims take, in milliseconds, once the connection is warm."""
    next_claim(())
    found = []
    for _ in range(TIMED):
        began = time.perf_counter()
        next_claim(())
        found.append((time.perf_counter() - began) * 1000)
    return found


def fill(each: int) -> None:
    """Put so many more images into every lane in which somebody waits."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_jobitem DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE jobs_jobitem DROP CONSTRAINT IF EXISTS item_once_per_number")
        cursor.execute(ITEMS, [each])
        cursor.execute("ALTER TABLE jobs_jobitem ENABLE TRIGGER USER")
        cursor.execute("ANALYZE jobs_jobitem")


def people(shop: Any, many: int) -> list[Any]:
    """Return so many marketers of the brand, with a quota each."""
    from governance.kernel.roles import Role
    from tests.factories import review
    from tests.factories.quota import grant_images

    found = [review.person(shop.brand_id, Role.MARKETER) for _ in range(many)]
    for one in found:
        grant_images(one.id, shop.brand_id, 10_000)
    return found


def order(shop: Any, actor: Any, images: int) -> None:
    """Order so many images, fifty at a time."""
    for first in range(0, images, 50):
        shop.order(min(50, images - first), actor=actor)


def next_claim(warm: Sequence[str]) -> Any:
    """Claim one image."""
    from generation.jobs import services

    return services.claim_next(queue=QUEUE, worker="worker-one", warm=warm)


def claims(most: int = 10**6) -> list[Any]:
    """Claim until nothing waits, or so many."""
    found: list[Any] = []
    while len(found) < most and (claim := next_claim(())) is not None:
        found.append(claim)
    return found


def most_passed() -> int:
    """Return how often whoever was passed over most was."""
    from django.db.models import Max

    from generation.jobs.models import Share

    return int(Share.objects.aggregate(most=Max("passed"))["most"] or 0)


def jain(shares: Sequence[int]) -> float:
    """Return Jain's index: 1 where all have the same. Source: DEC-TR-301, 1984."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
