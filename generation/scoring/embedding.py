"""The suite's one encoder: an open_clip model whose weights are really there.

One embedding of an image serves the match with its prompt, aesthetics, search and near-duplicates.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from generation.scoring.protocol import ScorerUnavailable
from generation.weights import snapshot

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

# The first of open_clip's own names for a checkpoint; others could be picked up in its place.
_WEIGHTS = "open_clip_model.safetensors"


@dataclass(eq=False)
class Encoder:
    """Turns images and texts into float32 vectors of unit length that can be compared.

    Loaded at its first use, after its folder was verified; usable from several threads.
    """

    folder: Path
    weights_sha256: str
    device: str = "cpu"
    _loaded: "_Clip | None" = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def load(self) -> "_Clip":
        """Load the model once.

        Raises: ScorerUnavailable if weights are missing; SnapshotChanged, SnapshotMissing,
        UnsafeSnapshot if the folder is not what was approved.
        """
        with self._lock:
            self._loaded = self._loaded or self._load()
            return self._loaded

    def forget(self) -> None:
        """Drop the loaded model, so that its folder is verified and read again."""
        with self._lock:
            self._loaded = None

    def embed_image(self, image: "Image") -> "NDArray[np.float32]":
        """Embed one RGB image by itself: a batch would change the last bits."""
        import torch

        clip = self.load()
        pixels = clip.preprocess(image).unsqueeze(0).to(self.device)
        with torch.inference_mode():
            return _unit(clip.model.encode_image(pixels)[0])

    def embed_group(self, images: Sequence["Image"]) -> "NDArray[np.float32]":
        """Embed images in one pass, (count, width): faster, and good for comparing them alone."""
        import torch

        clip = self.load()
        pixels = torch.stack([clip.preprocess(image) for image in images]).to(self.device)
        with torch.inference_mode():
            return np.stack([_unit(row) for row in clip.model.encode_image(pixels)])

    def embed_text(self, text: str) -> tuple["NDArray[np.float32]", bool]:
        """Embed the beginning of a text, and tell whether the model could not read all of it."""
        import torch

        clip = self.load()
        tokens = clip.tokenizer([text])
        context = int(tokens.shape[1])
        # One place more shows what was cut: the end mark moves from the last place.
        longer = clip.tokenizer([text], context_length=context + 1)
        is_cut = not torch.equal(tokens, longer[:, :context])
        with torch.inference_mode():
            return _unit(clip.model.encode_text(tokens.to(self.device))[0]), is_cut

    def embed_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Embed texts one by one: (count, width), each row of unit length."""
        return np.stack([self.embed_text(text)[0] for text in texts])

    @property
    def logit_scale(self) -> float:
        """Return the factor by which the model was trained to multiply cosines."""
        return float(self.load().model.logit_scale.detach().exp())

    @property
    def logit_bias(self) -> float:
        """Return what the model was trained to add to them, 0 if nothing."""
        bias = getattr(self.load().model, "logit_bias", None)
        return 0.0 if bias is None else float(bias.detach())

    def _load(self) -> "_Clip":
        """Verify the folder and the weights in it, then load.

        open_clip only warns when the weights are missing and embeds with random ones.
        """
        listed = snapshot.verify(self.folder, self.weights_sha256)
        names = {file.path for file in listed.files if file.path.endswith(".safetensors")}
        if names != {_WEIGHTS}:
            raise ScorerUnavailable(
                f"The prompt-match model in '{self.folder}' must hold its weights in one file "
                f"named '{_WEIGHTS}'.",
                folder=str(self.folder),
            )
        # With torch, which suites without a model do without.
        from generation.weights import runtime

        open_clip = runtime.load_library("open_clip")
        name = f"local-dir:{self.folder}"
        model, _, preprocess = open_clip.create_model_and_transforms(name, device=self.device)
        return _Clip(model.eval(), preprocess, open_clip.get_tokenizer(name))


@dataclass(frozen=True)
class _Clip:
    """A loaded model with its preprocessing and tokenizer."""

    model: Any
    preprocess: Any
    tokenizer: Any


_encoders: dict[tuple[Path, str, str], Encoder] = {}


def open_encoder(folder: Path, weights_sha256: str, device: str = "cpu") -> Encoder:
    """Return the encoder of a folder: one for all scorers of this process, loaded once."""
    key = (folder, weights_sha256, device)
    return _encoders.setdefault(key, Encoder(folder, weights_sha256, device))


def _unit(vector: "torch.Tensor") -> "NDArray[np.float32]":
    """Return a vector at unit length, summed in double precision.

    Raises: ScorerUnavailable for a vector without direction, which a broken model gives.
    """
    exact = vector.detach().cpu().double().numpy()
    length = float(np.sqrt((exact * exact).sum()))
    if not np.isfinite(length) or length == 0:
        raise ScorerUnavailable("The encoder gave an embedding without a direction.")
    unit: NDArray[np.float32] = (exact / length).astype(np.float32)
    return unit
