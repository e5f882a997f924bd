"""Times the search for near-duplicates as a brand's images grow: it must cost the same.

Run `python -m tests.benchmarks.neighbours` with a PostgreSQL owner's `DATABASE_URL`. Half of the
images gather in 200 places, so that some words of the hash are as common as they are in practice.
"""

import random
import statistics
import sys
import time
from uuid import UUID

import django

SIZES = (1_000, 10_000, 120_000)
ASKED = 40
WIDTH = 128
BRAND, OTHER = UUID(int=1), UUID(int=2)
FILL = """
INSERT INTO assets_imagefeatures (id, created_at, asset_id, brand_id, fingerprint, phash_0, phash_1,
  phash_2, phash_3, encoder_sha256, embedding)
SELECT gen_random_uuid(), now(), gen_random_uuid(), %(brand)s, md5(i::text), w[1], w[2], w[3], w[4],
  %(encoder)s, %(embedding)s
FROM (
  SELECT i, CASE WHEN i %% 2 = 0
    THEN ARRAY(SELECT abs(hashint4((i / 2 %% 200) * 4 + p)) %% 65536 # (1 << (i %% 16))
               FROM generate_series(0, 3) p)
    ELSE ARRAY(SELECT floor(random() * 65536)::int FROM generate_series(0, 3) p WHERE i > 0)
  END AS w FROM generate_series(1, %(count)s) i
) made
"""


def main() -> None:
    """Print the median and the slowest of some searches at each size, and the rows that exist."""
    django.setup()
    import numpy as np
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from generation.assets import neighbours
    from generation.assets.models import ImageFeatures
    from generation.assets.records import Features

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    draw = random.Random(3)
    vector = np.full(WIDTH, WIDTH**-0.5, dtype="<f4").tobytes()
    try:
        have = 0
        for size in SIZES:
            with connection.cursor() as cursor:
                # The rows stand for images that nobody made: no guard and no key would let them in.
                cursor.execute("SET session_replication_role = replica")
                for brand in (BRAND, OTHER):
                    facts = {"brand": brand, "encoder": "e" * 64, "embedding": vector}
                    cursor.execute(FILL, {**facts, "count": size - have})
                cursor.execute("SET session_replication_role = DEFAULT")
                cursor.execute("ANALYZE assets_imagefeatures")
            have = size
            known = list(
                ImageFeatures.objects.filter(brand_id=BRAND).values_list(
                    "phash_0", "phash_1", "phash_2", "phash_3"
                )[: ASKED * 20 : 20]
            )
            took = []
            for words in known:
                phash = sum(word << (16 * place) for place, word in enumerate(words))
                flipped = sum(1 << bit for bit in draw.sample(range(64), 5))
                asked = Features("asked", phash ^ flipped, vector, "e" * 64)
                began = time.perf_counter()
                found = neighbours.find_neighbours(brand_id=BRAND, features=asked)
                took.append((time.perf_counter() - began) * 1000)
                nearest = min((each.phash ^ asked.phash).bit_count() for each in found)
                assert nearest <= 5, "an image five bits away was not found"
            with CaptureQueriesContext(connection) as captured:
                neighbours.find_neighbours(brand_id=BRAND, features=asked)
            scans = sum(_scans_all(query["sql"]) for query in captured)
            sys.stdout.write(
                f"{size} images of the brand, {2 * size} in all: median "
                f"{statistics.median(took):.1f} ms, slowest {max(took):.1f} ms, "
                f"{len(captured)} queries, {scans} sequential scans\n"
            )
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def _scans_all(sql: str) -> int:
    """Count the sequential scans in a query's plan."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return sum("Seq Scan" in line for (line,) in cursor.fetchall())


if __name__ == "__main__":
    main()
