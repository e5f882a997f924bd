"""The model cards of the demo pack, in the form that model hubs read; each says it is untrained."""

_CARD = """---
license: {licence_tag}
library_name: {library}
tags:
- random-weights
- uncalibrated
---

# {title}

{body}

- **Weights**: random, drawn from the seed {seed} by `python -m generation.packs build`. Never
  trained on anything, so there is no training data and no person, work or brand in it.
- **Use**: demonstrations and tests of the real loading, rendering and scoring code.
- **Not for**: {not_for}
- **Licence**: {licence}
"""

_MODELS = {
    "sd3": {
        "library": "diffusers",
        "title": "Demo image model (uncalibrated)",
        "body": (
            "A `StableDiffusion3Pipeline` in the shape of Stable Diffusion 3.5: three text\n"
            "encoders, a joint-attention transformer, a 16-channel autoencoder. It paints soft\n"
            "areas of color that depend on prompt and seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "clip": {
        "library": "open_clip",
        "title": "Demo prompt-match model (uncalibrated)",
        "body": "An `open_clip` model with an image and a text tower.",
        "not_for": "judging images. Its similarities are chance.",
    },
    "safety": {
        "library": "transformers",
        "title": "Demo safety classifier (uncalibrated)",
        "body": ("A `ViTForImageClassification` with the labels `allowed` and `restricted`."),
        "not_for": "protecting anyone. Its probabilities are chance.",
    },
}


def write(name: str, seed: int, licence: str) -> str:
    """Write the card of one of the pack's models.

    >>> "seed 7 " in write("clip", 7, "CC0-1.0")
    True
    """
    return _CARD.format(**_MODELS[name], seed=seed, licence=licence, licence_tag=licence.lower())
