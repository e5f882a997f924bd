"""The endpoint that is this very process: its engines, on its device, with models from its disk."""

from dataclasses import replace

from generation.engines import registry
from generation.engines.endpoints.protocol import Capabilities, Estimate, Model, facts_of
from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec

NAME = "in_process"
VERSION = "1"


class InProcess:
    """Hands each image to the engine of its pipeline."""

    def capabilities(self, model: Model) -> Capabilities:
        """Say what the engine can do, from the model's files. Raises: UnknownPipeline."""
        return Capabilities(
            modes=registry.find(model.pipeline).modes_of(model.folder),
            sizes=(),
            honours_seed=True,
            is_replayable=True,
        )

    def estimate(self, spec: RunSpec) -> Estimate:  # noqa: ARG002  as every endpoint is asked
        """Say nothing: what earlier images took is on record, and no money is paid."""
        return Estimate()

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Make the image. Raises: UnknownPipeline, and what the engine raises."""
        made = registry.find(spec.pipeline).render(spec, on_step)
        return replace(
            made, facts={**made.facts, **facts_of(NAME, NAME, VERSION, is_replayable=True)}
        )
