"""Keys and metadata that every destination can hold, and those that some would change."""

import pytest
from imprimatur.publishing.destinations import protocol

from governance.kernel.errors import InvalidInput


class TestRequireKey:
    @pytest.mark.parametrize("key", ["a", "a.png", "brand/2026/a-b_c.png", "0/1/2", "x" * 150])
    def test_accepts_a_plain_relative_path(self, key: str) -> None:
        protocol.require_key(key)

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".hidden",
            "a/.hidden",
            "-option",
            "a\\b",
            "a b",
            "a\x00b",
            "a\n",
            "é.png",
            "a%2e%2e/b",
            "x" * 151,
            "a/" * 256 + "a",
        ],
    )
    def test_refuses_anything_else(self, key: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            protocol.require_key(key)
        assert refusal.value.facts["rule"] == "destination_key"


class TestRequireMetadata:
    @pytest.mark.parametrize(
        "metadata", [{}, {"a": ""}, {"release-id": "0199", "note": "two words"}, {"a": "x" * 512}]
    )
    def test_accepts_short_plain_text(self, metadata: dict[str, str]) -> None:
        protocol.require_metadata(metadata)

    @pytest.mark.parametrize(
        ("metadata", "rule"),
        [
            ({"Release-Id": "x"}, "metadata_name"),
            ({"release id": "x"}, "metadata_name"),
            ({"a\n": "x"}, "metadata_name"),
            ({"": "x"}, "metadata_name"),
            ({"sha256": "x"}, "metadata_name"),
            ({"title": "Blüte"}, "metadata_value"),
            ({"title": "two\nlines"}, "metadata_value"),
            ({"title": " padded "}, "metadata_value"),
            ({"title": "x" * 513}, "metadata_value"),
            ({f"name-{number}": "x" * 400 for number in range(5)}, "metadata_size"),
        ],
    )
    def test_refuses_what_would_not_arrive_as_sent(
        self, metadata: dict[str, str], rule: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            protocol.require_metadata(metadata)
        assert refusal.value.facts["rule"] == rule
