"""The pipelines' own denoising loop, run to the latents, with word of every step."""

from typing import Any

import torch

from generation.engines import previews, reporting
from generation.engines.protocol import OnStep
from generation.engines.spec import RunSpec


@reporting.stage("denoise")
def follow(pipeline: Any, spec: RunSpec, on_step: OnStep, **inputs: Any) -> torch.Tensor:
    """Run a `diffusers` pipeline's loop and return the latents in the form that it leaves them in.

    inputs: what differs between families: embeddings, the noise, and what they call guidance. What
    `on_step` raises ends the loop and leaves the pipeline usable.
    """
    sketch = previews.Sketch(pipeline, spec)

    def report(
        _pipeline: object, step: int, _timestep: object, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        on_step(step + 1, spec.steps_taken)
        sketch.after_step(step + 1, tensors["latents"])
        return tensors

    latents: torch.Tensor = pipeline(
        **inputs,
        width=spec.width,
        height=spec.height,
        num_inference_steps=spec.steps,
        max_sequence_length=spec.max_sequence_length,
        output_type="latent",
        callback_on_step_end=report,
        return_dict=False,
    )[0]
    return latents
