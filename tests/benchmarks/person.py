"""How often a person is seen in pictures of the demo world, where nobody is: false alarms and cost.

python -m tests.benchmarks.person [--pictures 400] [--seed 9]
"""

import argparse
import random
import time

from generation.packs.world import draw, scene
from generation.scoring.person import PersonPresent
from generation.scoring.protocol import Sample

THRESHOLDS = (0.4, 0.5, 0.6, 0.7)


def main() -> None:
    """Draw pictures, look for people, and print the share of alarms at each threshold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--seed", type=int, default=9)
    told = parser.parse_args()
    scorer = PersonPresent()
    scorer.load()
    rng = random.Random(told.seed)
    values, cpu_s = [], 0.0
    for _ in range(told.pictures):
        picture = Sample(draw.draw(scene.sample(rng), 128, rng))
        started = time.process_time()
        values.append(scorer.score([picture])[0].value)
        cpu_s += time.process_time() - started
    for threshold in THRESHOLDS:
        share = sum(value >= threshold for value in values) / len(values)
        print(f"false alarms at {threshold:.1f}: {share:.2%}")  # noqa: T201
    print(f"CPU time for a picture: {cpu_s / len(values) * 1000:.0f} ms")  # noqa: T201


if __name__ == "__main__":
    main()
