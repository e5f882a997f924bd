"""The pack's tokenizers, written from a word list; nothing is trained, so nothing can vary."""

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
    "watch water white window winter wood wooden yellow black blue beige grey autumn"
)
WORDS = tuple(_WORD_LIST.split())

CLIP_LENGTH = 77
_WORD_END = "</w>"
_START, _END = "<|startoftext|>", "<|endoftext|>"


def build_clip_tokenizer() -> Any:
    """Build a byte-level BPE tokenizer in CLIP's format.

    Every byte has a symbol, so no prompt is unknown. The two special tokens have the last ids, as
    CLIP pools the text at its highest id.
    """
    alphabet = sorted(runtime.load_library("tokenizers").pre_tokenizers.ByteLevel.alphabet())
    symbols = [*alphabet, *(f"{character}{_WORD_END}" for character in alphabet)]
    merges = list(dict.fromkeys(merge for word in WORDS for merge in _merges(word)))
    pieces = dict.fromkeys([*symbols, *("".join(merge) for merge in merges), _START, _END])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return runtime.load_library("transformers").CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=CLIP_LENGTH
    )


def build_t5_tokenizer() -> Any:
    """Build a unigram tokenizer in T5's format: words first, single characters as the way out."""
    characters = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0x180))]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("\u2581", -4.0)]
    pieces += [(f"\u2581{word}", -6.0) for word in WORDS]
    pieces += [(character, -10.0) for character in characters]
    return runtime.load_library("transformers").T5Tokenizer(vocab=pieces, extra_ids=0)


def save(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer the way its library does."""
    tokenizer.save_pretrained(folder)


def _merges(word: str) -> list[tuple[str, str]]:
    """List the merges that join a word from its letters, left to right.

    >>> _merges("tea")
    [('t', 'e'), ('te', 'a</w>')]
    >>> _merges("a")
    []
    """
    letters = [*word[:-1], f"{word[-1]}{_WORD_END}"]
    return [("".join(letters[:end]), letters[end]) for end in range(1, len(letters))]
