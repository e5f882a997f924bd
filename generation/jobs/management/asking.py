"""How an endpoint is asked before anybody relies on it: for one image of nobody's words."""

from collections.abc import Iterator
from pathlib import Path

from generation.engines.endpoints.protocol import Model
from generation.engines.modes import Mode
from generation.engines.spec import RunSpec
from generation.jobs import endpoints
from generation.registry.records import ENDPOINT, EndpointRecord
from governance.kernel.actors import Actor
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context

__all__ = ["RunSpec", "modes_of", "require_may_ask", "trial", "try_out"]

# Of a model that nothing is to be registered of yet.
_NO_DIGEST = "0" * 64
_TOKENS = 256


def require_may_ask(actor: Actor) -> None:
    """Let whoever may propose endpoints have one asked. Raises: NotPermitted."""
    require(actor, Permission.REGISTRY_ENDPOINT_PROPOSE, Context())


def trial(
    *,
    model: str,
    steps: int,
    guidance: float,
    side: int,
    sha256: str = _NO_DIGEST,
    dtype: str = "bfloat16",
) -> RunSpec:
    """Write the order of one image. Raises: InvalidInput."""
    return RunSpec(
        folder=Path(model),
        snapshot_sha256=sha256,
        pipeline=ENDPOINT,
        prompt="a mug on a wooden table",
        negative_prompt="",
        width=side,
        height=side,
        steps=steps,
        guidance=guidance,
        seed=1,
        max_sequence_length=_TOKENS,
        device="cpu",
        dtype=dtype,
    )


def modes_of(endpoint: EndpointRecord, run: RunSpec) -> frozenset[Mode]:
    """Return what the endpoint can do with the model."""
    return endpoints.connect_to(endpoint).capabilities(Model(run.pipeline, run.folder)).modes


def try_out(endpoint: EndpointRecord, run: RunSpec) -> Iterator[str]:
    """Say what the endpoint can do and what an image costs, then make one. Raises: DomainError."""
    asked = endpoints.connect_to(endpoint)
    can, cost = asked.capabilities(Model(run.pipeline, run.folder)), asked.estimate(run)
    sizes = ", ".join(f"{width}x{height}" for width, height in can.sizes) or "any size"
    yield f"can       {', '.join(sorted(can.modes)) or 'words alone'}; {sizes}"
    yield f"seeds     {'are sent' if can.honours_seed else 'are not sent'}; it replays nothing"
    stated = "not stated" if cost.seconds is None else f"{cost.seconds:g} s"
    price = "not stated" if cost.price is None else f"{cost.price} {cost.currency}"
    yield f"an image  takes: {stated}, costs: {price}"
    made = asked.render(run, lambda _done, _of: None)
    yield (
        f"made one  of {run.width} x {run.height} px in {made.seconds:.2f} s; version: "
        f"{made.facts['endpoint.version']}, at {made.facts['endpoint.address']}"
    )
