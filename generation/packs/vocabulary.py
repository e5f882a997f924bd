"""The pack's tokenizers, written from a word list; nothing is trained, so nothing can vary."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from generation.weights import runtime

# Words that starter prompts use; others are spelled out in bytes or characters.
_WORD_LIST = (
    "a an and at by for from in of on the to with without no "
    "advertising background banner bottle bag box bright brand calm campaign chair clean clock "
    "close coffee color colors cup dark detail door family fresh front garden glass golden green "
    "hand hero home house image kitchen lamp large light lit logo marble minimal mint modern "
    "morning mug natural navy office orange outdoor package packaging paper people person phone "
    "photo photograph photography pink plain plant plate portrait poster product professional "
    "purple red round scene season sharp shoe shop side silver simple sky small soft space spring "
    "square studio style summer sun sunset table tea text top travel tree vase view wall warm "
    "watch water white window winter wood wooden yellow black blue beige grey autumn "
    "badge bags big bottles boxes center centered chairs clocks even evening gold gray hazard "
    "lamps left lit little middle mugs new no one pair phones picture placed planks right row sale "
    "shoes shot sign single star sticker surface teal three two vases warning "
    "beautiful clearly cozy display elegant everyday fresh friendly high key lifestyle look "
    "luxury minimalist mood premium pure quality realistic shelf shop simple showing stand strong "
    "vivid without"
)
WORDS = tuple(dict.fromkeys(_WORD_LIST.split()))

CLIP_LENGTH = 77
_WORD_END = "</w>"
_START, _END = "<|startoftext|>", "<|endoftext|>"

# What Qwen-Image says around every prompt, each word one token as in the real vocabulary: the
# pipeline drops the first 34 tokens by count, so that more of them would push the prompt out.
_FRAME_LIST = (
    "system user assistant Describe image detailing color shape size texture quantity spatial "
    "relationships objects"
)
_SPACE = "\u0120"
# The marks that the chat templates of Qwen and of Mistral's vision models are made of.
QWEN_MARKS = ("<|im_start|>", "<|im_end|>")
# And those that stand for what Qwen's models see, by what their configuration calls each.
QWEN_PICTURE_MARKS = {
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
}
PIXTRAL_MARKS = ("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")


def build_clip_tokenizer(length: int = CLIP_LENGTH) -> Any:
    """Build a byte-level BPE tokenizer in CLIP's format, for texts of up to `length` tokens.

    Every byte has a symbol, so no prompt is unknown; each listed word is one token. The two special
    tokens have the last ids, as CLIP pools the text at its highest id.
    """
    alphabet = sorted(runtime.load_library("tokenizers").pre_tokenizers.ByteLevel.alphabet())
    symbols = [*alphabet, *(f"{character}{_WORD_END}" for character in alphabet)]
    merges = _merges([*word[:-1], f"{word[-1]}{_WORD_END}"] for word in WORDS)
    pieces = dict.fromkeys([*symbols, *("".join(merge) for merge in merges), _START, _END])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return runtime.load_library("transformers").CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=length
    )


def build_t5_tokenizer() -> Any:
    """Build a unigram tokenizer in T5's format: words first, single characters as the way out."""
    characters = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0x180))]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("\u2581", -4.0)]
    pieces += [(f"\u2581{word}", -6.0) for word in WORDS]
    pieces += [(character, -10.0) for character in characters]
    return runtime.load_library("transformers").T5Tokenizer(vocab=pieces, extra_ids=0)


def build_chat_tokenizer(marks: Iterable[str], template: str) -> Any:
    """Build a byte-level BPE tokenizer as language models have it, with a chat template.

    Every byte has a symbol, each listed word is one token at a line's start and after a space, and
    each of `marks` is one token wherever it stands. Padding is at the end.
    """
    alphabet = sorted(runtime.load_library("tokenizers").pre_tokenizers.ByteLevel.alphabet())
    words = dict.fromkeys([*WORDS, *_FRAME_LIST.split()])
    merges = _merges(spelled for word in words for spelled in ([*word], [_SPACE, *word]))
    pieces = dict.fromkeys([*alphabet, *("".join(merge) for merge in merges), _END])
    return runtime.load_library("transformers").Qwen2Tokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=merges,
        additional_special_tokens=list(marks),
        chat_template=template,
        padding_side="right",
    )


def save(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer the way its library does."""
    tokenizer.save_pretrained(folder)


def _merges(spellings: Iterable[Iterable[str]]) -> list[tuple[str, str]]:
    """List the merges, first ones first, that make each spelled word one token.

    A word is first joined by the merges that are there, as a reader will, then to its end. Later
    merges cannot undo that, since earlier ones are always applied before them.

    >>> _merges([["t", "e", "a</w>"], ["t", "e", "a", "m</w>"]])
    [('t', 'e'), ('te', 'a</w>'), ('te', 'a'), ('tea', 'm</w>')]
    >>> _merges(["a"])
    []
    """
    ranks: dict[tuple[str, str], int] = {}
    for spelling in spellings:
        pieces = _join(list(spelling), ranks)
        while len(pieces) > 1:
            ranks[pieces[0], pieces[1]] = len(ranks)
            pieces = _join(pieces, ranks)
    return list(ranks)


def _join(pieces: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Join neighbours by the earliest merge until none applies."""
    while known := [pair for pair in pairwise(pieces) if pair in ranks]:
        first, second = min(known, key=lambda pair: ranks[pair])
        joined: list[str] = []
        for piece in pieces:
            if joined and (joined[-1], piece) == (first, second):
                joined[-1] += piece
            else:
                joined.append(piece)
        pieces = joined
    return pieces
