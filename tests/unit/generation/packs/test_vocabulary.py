"""The pack's tokenizers know every prompt and mark its ends as the encoders expect."""

import pytest

from generation.packs import vocabulary

PROMPTS = ["a red mug on a wooden table", "Tasse für 早茶 ☕", "!!! 50% off", "naïve café"]


class TestClipTokenizer:
    @pytest.mark.parametrize("prompt", PROMPTS)
    def test_frames_every_prompt_with_the_last_two_ids(self, prompt: str) -> None:
        tokenizer = vocabulary.build_clip_tokenizer()
        ids = tokenizer(prompt).input_ids
        assert ids[0] == len(tokenizer) - 2
        assert ids[-1] == len(tokenizer) - 1
        assert len(ids) > 2

    def test_reads_a_known_word_as_one_token(self) -> None:
        tokenizer = vocabulary.build_clip_tokenizer()
        assert tokenizer.tokenize("mug") == ["mug</w>"]

    def test_cuts_at_the_encoders_length(self) -> None:
        tokenizer = vocabulary.build_clip_tokenizer()
        assert len(tokenizer("mug " * 200, truncation=True).input_ids) == 77


class TestT5Tokenizer:
    @pytest.mark.parametrize("prompt", PROMPTS)
    def test_ends_every_prompt(self, prompt: str) -> None:
        tokenizer = vocabulary.build_t5_tokenizer()
        assert tokenizer(prompt).input_ids[-1] == tokenizer.eos_token_id == 1

    def test_reads_a_known_word_as_one_token(self) -> None:
        assert vocabulary.build_t5_tokenizer().tokenize("mug") == ["\u2581mug"]
