"""The strict parser against what other parsers let through."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imprimatur.api.errors import MalformedJson
from imprimatur.api.parsing import MAX_DEPTH, MAX_INTEGER, depth, loads

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


class TestLoads:
    @given(st.dictionaries(texts, values, max_size=5))
    def test_agrees_with_the_standard_parser_on_what_it_takes(
        self, value: dict[str, object]
    ) -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        if depth(data) <= MAX_DEPTH:
            assert loads(data) == value

    @given(st.binary(max_size=200))
    def test_refuses_or_reads_and_never_breaks(self, data: bytes) -> None:
        with suppress(MalformedJson):
            assert isinstance(loads(data), dict)

    def test_counts_no_bracket_in_a_text(self) -> None:
        assert loads(b'{"a": "' + b"[" * 100 + b'"}') == {"a": "[" * 100}

    def test_takes_the_deepest_that_is_allowed_and_no_deeper(self) -> None:
        inside = MAX_DEPTH - 1
        assert loads(b'{"a":' + b"[" * inside + b"]" * inside + b"}")
        with pytest.raises(MalformedJson):
            loads(b'{"a":' + b"[" * (inside + 1) + b"]" * (inside + 1) + b"}")

    def test_points_at_the_text_that_cannot_be_stored(self) -> None:
        with pytest.raises(MalformedJson) as caught:
            loads(b'{"a": [{"b/c": "\\u0000"}]}')
        assert caught.value.pointer == "/a/0/b~1c"
