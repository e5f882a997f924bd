"""Tiny models of the classes that full-size scorers come in: random weights, real layouts."""

from pathlib import Path

import torch

from generation.weights import runtime, snapshot

SIDE_PX = 32


def digest(folder: Path) -> str:
    """Return the digest that an approval of the folder would pin."""
    return snapshot.digest_folder(folder).sha256


def save_vit(folder: Path, labels: tuple[str, ...] = ("normal", "nsfw"), seed: int = 3) -> str:
    """Save a ViT classifier with Falconsai's two labels, and return the folder's digest."""
    transformers = runtime.load_library("transformers")
    torch.manual_seed(seed)
    model = transformers.ViTForImageClassification(
        transformers.ViTConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=SIDE_PX,
            patch_size=8,
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
        )
    )
    with torch.no_grad():
        # Random weights hardly tell images apart; these do.
        model.classifier.weight.mul_(40)
    model.save_pretrained(folder)
    size = {"height": SIDE_PX, "width": SIDE_PX}
    transformers.ViTImageProcessorPil(size=size).save_pretrained(folder)
    return digest(folder)


def save_compvis(folder: Path, *, bound: float = 0.1, old_names: bool = False) -> str:
    """Save a safety checker of diffusers' class; `old_names` as its public checkpoint has them."""
    transformers = runtime.load_library("transformers")
    runtime.load_library("diffusers")
    from diffusers.pipelines.stable_diffusion.safety_checker import (
        StableDiffusionSafetyChecker,
    )

    torch.manual_seed(5)
    vision = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": SIDE_PX,
        "patch_size": 8,
    }
    text = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 64,
        "bos_token_id": 62,
        "eos_token_id": 63,
    }
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    model = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        model.concept_embeds.copy_(torch.randn(17, 8))
        model.special_care_embeds.copy_(torch.randn(3, 8))
        model.concept_embeds_weights.fill_(bound)
        model.special_care_embeds_weights.fill_(bound)
    model.save_pretrained(folder)
    if old_names:
        _rename(folder / "model.safetensors")
    size = {"shortest_edge": SIDE_PX}
    crop = {"height": SIDE_PX, "width": SIDE_PX}
    transformers.CLIPImageProcessorPil(size=size, crop_size=crop).save_pretrained(folder)
    return digest(folder)


def _rename(path: Path) -> None:
    """Give the vision tower's weights the doubled prefix of transformers before version 5."""
    from safetensors.torch import load_file, save_file

    weights = {}
    for name, tensor in load_file(path).items():
        old = name
        if name.startswith("vision_model.") and not name.startswith("vision_model.vision_model."):
            old = f"vision_model.{name}"
        weights[old] = tensor
    positions = torch.arange(17).unsqueeze(0)
    weights["vision_model.vision_model.embeddings.position_ids"] = positions
    save_file(weights, path, metadata={"format": "pt"})


_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %} ? "
)


def save_shieldgemma(folder: Path, *, policies: dict[str, str] | None = None) -> str:
    """Save a ShieldGemma 2: Gemma 3 with a vision tower, and its processor."""
    transformers = runtime.load_library("transformers")
    tokenizer = _gemma_tokenizer(transformers)
    torch.manual_seed(7)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "sliding_window": 64,
        "max_position_embeddings": 1024,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE_PX,
        "patch_size": 8,
    }
    config = transformers.ShieldGemma2Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        yes_token_index=tokenizer.convert_tokens_to_ids("Yes"),
        no_token_index=tokenizer.convert_tokens_to_ids("No"),
    )
    model = transformers.ShieldGemma2ForImageClassification(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "mm_input_projection" in name:
                # Zero by default, with which no image would matter.
                weight.normal_()
            elif weight.dim() > 1:
                weight.mul_(6)
    model.save_pretrained(folder)
    processor = transformers.ShieldGemma2Processor(
        transformers.Gemma3ImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX}),
        tokenizer,
        chat_template=_CHAT_TEMPLATE,
        image_seq_length=4,
        policy_definitions=policies or {"violence": "No blood.", "dangerous": "No weapons."},
    )
    processor.save_pretrained(folder)
    return digest(folder)


def _gemma_tokenizer(transformers: object) -> object:
    """Train a small BPE tokenizer with Gemma's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_image>", "<end_of_image>"]
    special += ["<image_soft_token>", "Yes", "No"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["No weapons. No blood. The image shall not."], trainer)
    return transformers.PreTrainedTokenizerFast(  # type: ignore[attr-defined]
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
        padding_side="left",
    )
