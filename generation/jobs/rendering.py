"""From what is to be made to an image's bytes: one way for a first rendering and for a replay."""

import os
import socket
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

import PIL
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, features

from generation.assets import blobs
from generation.engines import registry as engines
from generation.engines.protocol import OnStep
from generation.engines.spec import PREPROCESSORS, AdapterRef, ControlRef, RunResult, RunSpec
from generation.jobs import selectors
from generation.jobs.errors import PromptErased
from generation.jobs.records import Making, WornFiles
from generation.weights import runtime
from governance.sealing import services as sealing

MEDIA_TYPE = "image/png"


@cache
def prepare() -> None:
    """Fix once per process what decides an image's bytes: offline loading, threads, sums."""
    runtime.prepare_process()
    runtime.set_threads(settings.WORKER_THREADS)


def worker_name() -> str:
    """Return this process's name in leases and the ledger: host, process and device."""
    return f"{socket.gethostname()}:{os.getpid()}:{settings.WORKER_DEVICE}"[:80]


def open_prompt(sealed: bytes) -> str:
    """Open the prompt; no row holds it in clear. Raises: PromptErased, SealBroken, KeyMissing."""
    prompt = sealing.reveal(sealed=sealed, purpose=selectors.PROMPT)
    if prompt is None:
        raise PromptErased(
            _("The person's texts were erased, so this image can no longer be made.")
        )
    return prompt


def spec(making: Making, prompt: str) -> RunSpec:
    """Say to an engine what to make, on this worker's device.

    Raises: InvalidInput for what no engine could run; BlobMissing, BlobCorrupt for the picture
    that a ControlNet follows.
    """
    return RunSpec(
        folder=_model_folder(making.folder),
        snapshot_sha256=making.snapshot_sha256,
        pipeline=making.pipeline,
        prompt=prompt,
        negative_prompt=making.negative_prompt,
        width=making.width_px,
        height=making.height_px,
        steps=making.steps,
        guidance=making.guidance,
        seed=making.seed,
        max_sequence_length=making.max_sequence_length,
        device=settings.WORKER_DEVICE,
        dtype=making.dtype,
        adapters=tuple(
            AdapterRef(
                folder=_model_folder(worn.folder),
                snapshot_sha256=worn.snapshot_sha256,
                weight=worn.strength,
            )
            for worn in making.worn
            if not worn.source_sha256
        ),
        control=next((_control(worn) for worn in making.worn if worn.source_sha256), None),
    )


def render(run: RunSpec, on_step: OnStep) -> RunResult:
    """Make the image. Raises: UnknownPipeline, and what the engine raises."""
    return engines.find(run.pipeline).render(run, on_step)


def encode(result: RunResult) -> bytes:
    """Encode losslessly, with no metadata: what is reviewed is pixels and nothing else."""
    buffer = BytesIO()
    Image.fromarray(result.pixels, "RGB").save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def encoder_facts() -> Mapping[str, str]:
    """Name what turns equal pixels into equal bytes: the image library and its compressor."""
    return {
        "encoder": "png/3",
        "encoder.pillow": PIL.__version__,
        "encoder.zlib": features.version("zlib") or "not installed",
        "encoder.zlib_ng": features.version("zlib_ng") or "not installed",
    }


def _control(worn: WornFiles) -> ControlRef:
    """Read the picture that a ControlNet follows; its bytes are hashed as they are read."""
    return ControlRef(
        folder=_model_folder(worn.folder),
        snapshot_sha256=worn.snapshot_sha256,
        image=blobs.get(worn.source_sha256),
        image_sha256=worn.source_sha256,
        scale=worn.strength,
        preprocessor=worn.preprocessor or PREPROCESSORS[0],
    )


def _model_folder(name: str) -> Path:
    return Path(settings.MODELS_FOLDER) / name
