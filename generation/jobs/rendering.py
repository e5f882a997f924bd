"""From what is to be made to an image's bytes: one way for a first rendering and for a replay."""

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

import PIL
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, features

from generation import metrics
from generation.assets import blobs
from generation.engines import registry as engines
from generation.engines.endpoints.in_process import InProcess
from generation.engines.protocol import OnStep
from generation.engines.reporting import ShelfCollector
from generation.engines.spec import (
    AdapterRef,
    BoxMask,
    ControlRef,
    PictureRef,
    RunResult,
    RunSpec,
    SourceRef,
)
from generation.jobs import endpoints, selectors, services
from generation.jobs.errors import PromptErased
from generation.jobs.records import Making, PictureRole, Used
from generation.registry.records import endpoint_in
from generation.weights import runtime
from governance.kernel.errors import InvalidInput
from governance.sealing import services as sealing

MEDIA_TYPE = "image/png"
HERE = InProcess()


@cache
def prepare() -> None:
    """Fix once per process what decides an image's bytes, and what models may take of memory."""
    runtime.prepare_process()
    runtime.set_threads(settings.WORKER_THREADS)
    engines.limit_memory(
        settings.WORKER_DEVICE,
        device_bytes=_bytes(settings.WORKER_DEVICE_MODELS_GIB),
        host_bytes=_bytes(settings.WORKER_HOST_MODELS_GIB),
    )
    metrics.WORKER.register(ShelfCollector(engines.SHELF))
    engines.SHELF.prompts.most_bytes = settings.WORKER_PROMPTS_MB * 2**20


def worker_name() -> str:
    """Return this process's name in leases and the ledger: host, process and device."""
    return f"{socket.gethostname()}:{os.getpid()}:{settings.WORKER_DEVICE}"[:80]


def warm() -> frozenset[str]:
    """Name what this process holds in memory, as the queue's lanes name what they need."""
    held = [services.needs_of(each.key.snapshot_sha256, each.adapters) for each in engines.held()]
    return frozenset(name for each in held for name in (each.model_sha256, each.holds_sha256))


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

    Raises: InvalidInput for what no engine could run; BlobMissing, BlobCorrupt for a picture.
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
        handling=making.handling,
        adapters=tuple(
            AdapterRef(
                folder=_model_folder(worn.folder),
                snapshot_sha256=worn.snapshot_sha256,
                weight=worn.strength,
            )
            for worn in making.worn
            if not worn.preprocessor
        ),
        control=_control(making),
        source=_source(making),
        references=tuple(_picture(each) for each in _in_role(making, PictureRole.REFERENCE)),
    )


def render(run: RunSpec, on_step: OnStep) -> RunResult:
    """Make the image at the endpoint of its profile: this process, or a server in use.

    Raises: UnknownPipeline, and what the engine raises; EndpointNotAllowed, EndpointUnavailable.
    """
    named = endpoint_in(run.pipeline)
    if named:
        # There a model is known by its name, which is where its folder would be here.
        model = run.folder.relative_to(settings.MODELS_FOLDER)
        return endpoints.connect(named).render(replace(run, folder=model), on_step)
    with metrics.busy():
        return HERE.render(run, on_step)


@metrics.timed("file")
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


def _control(making: Making) -> ControlRef | None:
    """Read the picture that a ControlNet follows. Raises: InvalidInput if there is only one."""
    nets = [worn for worn in making.worn if worn.preprocessor]
    followed = _in_role(making, PictureRole.CONTROL)
    if len(nets) != len(followed) or len(nets) > 1:
        raise InvalidInput(_("A ControlNet follows one picture."), pointer="/control", rule="one")
    for worn, used in zip(nets, followed, strict=True):
        return ControlRef(
            folder=_model_folder(worn.folder),
            snapshot_sha256=worn.snapshot_sha256,
            image=blobs.get(used.sha256),
            image_sha256=used.sha256,
            scale=worn.strength,
            preprocessor=worn.preprocessor,
        )
    return None


def _source(making: Making) -> SourceRef | None:
    """Read the picture that the image starts from, with its mask."""
    for used in _in_role(making, PictureRole.SOURCE):
        return SourceRef(
            image=blobs.get(used.sha256),
            image_sha256=used.sha256,
            strength=0.0 if used.strength is None else used.strength,
            mask=next((_mask(each) for each in _in_role(making, PictureRole.MASK)), None),
        )
    return None


def _mask(used: Used) -> PictureRef | BoxMask:
    if used.box is None:
        return _picture(used)
    return BoxMask(used.box.left, used.box.top, used.box.right, used.box.bottom)


def _picture(used: Used) -> PictureRef:
    """Read a picture; its bytes are hashed as they are read."""
    return PictureRef(image=blobs.get(used.sha256), image_sha256=used.sha256)


def _in_role(making: Making, role: PictureRole) -> list[Used]:
    return [each for each in making.pictures if each.role == role]


def _bytes(gib: Decimal | None) -> int | None:
    return None if gib is None else int(gib * 2**30)


def _model_folder(name: str) -> Path:
    return Path(settings.MODELS_FOLDER) / name
