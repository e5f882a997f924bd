"""How well an image matches its prompt, by an open_clip model whose weights are really there."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from generation.scoring.protocol import (
    Direction,
    Measurement,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from generation.weights import runtime, snapshot

if TYPE_CHECKING:
    from PIL.Image import Image

KIND = "prompt_match"

# The first of open_clip's own names for a checkpoint; others could be picked up in its place.
_WEIGHTS = "open_clip_model.safetensors"


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer of a manifest entry; it has no settings."""
    return PromptMatch(
        folder=entry.resolve(root),
        weights_sha256=entry.snapshot_sha256,
        licence=entry.licence,
        device=device,
    )


@dataclass
class PromptMatch:
    """The cosine of the angle between the embeddings of image and prompt.

    Source: Hessel et al., arXiv:2104.08718, section 3 (CLIPScore), without its rescaling by 2.5 and
    its cut at zero. Ranks images of one prompt; across prompts the values say little.
    """

    folder: Path
    weights_sha256: str | None
    licence: str
    device: str = "cpu"
    _loaded: "_Clip | None" = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    id: ClassVar[str] = "prompt_match"
    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def score(self, image: "Image", prompt: str) -> Measurement:
        """Compare an image with the prompt, as far as the model's context reaches."""
        with self._lock:
            loaded = self._loaded = self._loaded or self._load()
        pixels = loaded.preprocess(image).unsqueeze(0).to(self.device)
        tokens = loaded.tokenizer([prompt]).to(self.device)
        with torch.inference_mode():
            seen = loaded.model.encode_image(pixels, normalize=True)[0]
            read = loaded.model.encode_text(tokens, normalize=True)[0]
        # Rounding can leave the cosine of equal vectors just above 1.
        value = max(-1.0, min(1.0, float(seen @ read)))
        return Measurement(value, {"context_tokens": int(tokens.shape[1])})

    def _load(self) -> "_Clip":
        """Verify the folder and the weights in it, then load.

        open_clip only warns when the weights are missing and scores with random ones.
        """
        listed = snapshot.verify(self.folder, self.weights_sha256 or "")
        names = {file.path for file in listed.files if file.path.endswith(".safetensors")}
        if names != {_WEIGHTS}:
            raise ScorerUnavailable(
                f"The prompt-match model in '{self.folder}' must hold its weights in one file "
                f"named '{_WEIGHTS}'.",
                folder=str(self.folder),
            )
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
