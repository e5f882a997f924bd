"""Trains the two CLIP text encoders to read captions, before any picture is learned.

Each learns to tell a scene's attributes from a caption, or that one is left unsaid. The image model
then starts from embeddings that already mean something, which saves most of its training.
"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from generation.packs import vocabulary
from generation.packs.training import shapes
from generation.packs.world import captions
from generation.packs.world.scene import ATTRIBUTES, CHOICES, sample
from generation.weights import runtime

FOLDERS = ("text_encoder", "text_encoder_2")
_BATCH = 256
STEPS = 600
_LEARNING_RATE = 2e-3
_SEED_OF_CHECK = 99
_SCATTERED = 0.25
_EMPTY = 0.01
_SPARE_WORDS = tuple(
    word
    for word in vocabulary.WORDS
    if word not in {str(v) for name in ATTRIBUTES for v in CHOICES[name]}
    and word.rstrip("es") not in {str(v).rstrip("es") for v in CHOICES["object"]}
    and word not in {
        "two", "three", "pair", "row", "no", "without", "small", "little", "large", "big", "gold",
        "golden", "gray", "dark", "wooden", "table", "planks", "evening", "sun", "left", "right",
        "center", "centered", "middle", "soft", "even", "hazard", "warning", "sticker", "sign",
        "badge", "surface", "cup", "light", "lit", "bright",
    }
)  # fmt: skip


def scattered(caption: str, rng: random.Random) -> str:
    """Scatter words that say nothing of the scene into one caption of four, as people do."""
    if rng.random() >= _SCATTERED:
        return caption
    words = caption.split()
    for _ in range(rng.randint(1, 4)):
        words.insert(rng.randint(0, len(words)), rng.choice(_SPARE_WORDS))
    return " ".join(words)


def train(folder: Path, *, seed: int, steps: int = STEPS) -> Mapping[str, float]:
    """Train both encoders into `folder`; return each attribute's accuracy on new captions."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = shapes.build_tokenizer()
    accuracy: dict[str, float] = {}
    for number, name in enumerate(FOLDERS):
        torch.manual_seed(seed + number)
        encoder, heads = shapes.build_text_encoder(tokenizer), _build_heads()
        _train_one(encoder, heads, tokenizer, random.Random(f"{seed}/{name}"), steps)  # noqa: S311
        measured = _measure(encoder, heads, tokenizer)
        accuracy |= {f"{name}.{attribute}": share for attribute, share in measured.items()}
        encoder.save_pretrained(folder / name)
    # The same files for whoever comes later, whatever words the list has by then.
    vocabulary.save(tokenizer, folder / "tokenizer")
    (folder / "text.json").write_text(json.dumps(accuracy, indent=2))
    return accuracy


def read_tokenizer(folder: Path) -> Any:
    """Return the tokenizer that the encoders were trained with."""
    return runtime.load_library("transformers").CLIPTokenizer.from_pretrained(
        folder / "tokenizer", local_files_only=True
    )


def read(folder: Path) -> list[Any]:
    """Return both trained encoders, frozen."""
    kind = runtime.load_library("transformers").CLIPTextModelWithProjection
    encoders = [kind.from_pretrained(folder / name, local_files_only=True) for name in FOLDERS]
    return [encoder.eval().requires_grad_(False) for encoder in encoders]


def embed(
    encoders: Sequence[Any], tokenizer: Any, texts: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens (N, 32, 192) and pooled (N, 192), as `StableDiffusion3Pipeline` makes them."""
    ids = _tokens(tokenizer, texts)
    with torch.no_grad():
        outputs = [encoder(ids, output_hidden_states=True) for encoder in encoders]
    return (
        torch.cat([output.hidden_states[-2] for output in outputs], dim=-1),
        torch.cat([output.text_embeds for output in outputs], dim=-1),
    )


def _tokens(tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """Tokenize as the pipeline does: padded to the encoders' length, cut beyond it."""
    found: torch.Tensor = tokenizer(
        list(texts), padding="max_length", max_length=shapes.PROMPT_TOKENS, truncation=True,
        return_tensors="pt",
    ).input_ids  # fmt: skip
    return found


def _train_one(
    encoder: Any, heads: nn.ModuleDict, tokenizer: Any, rng: random.Random, steps: int
) -> None:
    """Run the training of one encoder."""
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, _LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    began = time.monotonic()
    for step in range(steps):
        texts, wanted = _draw(rng, _BATCH)
        pooled = encoder(_tokens(tokenizer, texts)).text_embeds
        # A little noise keeps the values apart by more than the image model could confuse.
        noisy = pooled + 0.1 * torch.randn_like(pooled)
        loss = sum(functional.cross_entropy(heads[n](noisy), wanted[n]) for n in ATTRIBUTES)
        # The projection has no natural scale; the image model wants one near a unit normal's.
        loss = loss + 0.05 * (pooled.pow(2).mean() - 1).pow(2)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"text {step} {loss.item():.4f} {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201


def _build_heads() -> nn.ModuleDict:
    """Build one linear classifier for each attribute; the last class is "unsaid"."""
    return nn.ModuleDict(
        {name: nn.Linear(shapes.TEXT_WIDTH, len(CHOICES[name]) + 1) for name in ATTRIBUTES}
    )


def _draw(
    rng: random.Random, count: int, *, held_out: bool = False
) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Draw captions, and for each attribute the class of each."""
    texts: list[str] = []
    classes: dict[str, list[int]] = {name: [] for name in ATTRIBUTES}
    for _ in range(count):
        if rng.random() < _EMPTY:
            texts.append("")
            scene, named = None, frozenset[str]()
        else:
            scene = sample(rng, held_out=held_out)
            caption = captions.compose(scene, rng)
            texts.append(scattered(caption.text, rng))
            named = caption.named
        for name in ATTRIBUTES:
            choices = CHOICES[name]
            is_said = scene is not None and name in named
            classes[name].append(choices.index(getattr(scene, name)) if is_said else len(choices))
    return texts, {name: torch.tensor(values) for name, values in classes.items()}


def _measure(encoder: Any, heads: nn.ModuleDict, tokenizer: Any) -> dict[str, float]:
    """Return each attribute's accuracy on captions of held-out combinations."""
    rng = random.Random(_SEED_OF_CHECK)  # noqa: S311
    texts, wanted = _draw(rng, 2000, held_out=True)
    with torch.no_grad():
        pooled = encoder(_tokens(tokenizer, texts)).text_embeds
        return {
            name: (heads[name](pooled).argmax(-1) == wanted[name]).float().mean().item()
            for name in ATTRIBUTES
        }
