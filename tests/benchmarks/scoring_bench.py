"""What the parts of the scoring benchmark measure with: the pack's suite and held-out renders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from generation.packs.manifest import Pack
from generation.packs.training import examples
from generation.scoring.protocol import Sample
from generation.scoring.suite import ScoringSuite

SEED = 4242


@dataclass(frozen=True)
class Bench:
    """What every part measures with."""

    pack: Pack
    suite: ScoringSuite
    cache: Path
    images: int

    def draw(self, offset: int, *, held_out: bool = True) -> examples.Renders:
        """Return held-out renders by a lot of their own."""
        return examples.render(self.cache, self.images, SEED + offset, held_out=held_out)

    def values(self, scorer: str, samples: Sequence[Sample]) -> list[float]:
        """Let one scorer measure samples as the suite does, image by image."""
        found = next(each for each in self.suite.scorers if each.id == scorer)
        reason = self.suite.load(found)
        if reason:
            raise SystemExit(reason)
        said = self.suite.score(found, samples)
        broken = next((each.reason for each in said if each.measurement is None), None)
        if broken:
            raise SystemExit(broken)
        return [each.measurement.value for each in said if each.measurement]

    def embed(self, images: Sequence[Image.Image]) -> list[Sample]:
        """Return samples that have an embedding and no prompt."""
        samples, reason = self.suite.embed([Sample(image) for image in images])
        if reason:
            raise SystemExit(reason)
        return samples
