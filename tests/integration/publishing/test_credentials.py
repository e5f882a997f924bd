"""Credentials: files that only the publisher can read, found by a plain name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from imprimatur.publishing import credentials
from imprimatur.publishing.errors import CredentialMissing

Write = Callable[[str, str], Path]


class TestResolve:
    def test_returns_what_the_file_holds(self, credential: Write) -> None:
        credential("assets", json.dumps({"access_key_id": "a", "secret_access_key": "b"}))
        assert credentials.resolve("assets") == {"access_key_id": "a", "secret_access_key": "b"}

    def test_needs_no_file_for_no_name(self) -> None:
        assert credentials.resolve("") == {}

    def test_says_that_this_process_has_none(self) -> None:
        with pytest.raises(CredentialMissing, match="does not have"):
            credentials.resolve("assets")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_refuses_a_file_that_others_can_read(self, credential: Write, mode: int) -> None:
        credential("assets", "{}").chmod(mode)
        with pytest.raises(CredentialMissing, match="0600"):
            credentials.resolve("assets")

    @pytest.mark.parametrize("text", ["canary", '["canary"]', '{"secret": "canary"'])
    def test_never_quotes_a_file_that_it_cannot_read(self, credential: Write, text: str) -> None:
        credential("assets", text)
        with pytest.raises(CredentialMissing, match="not a JSON object") as refused:
            credentials.resolve("assets")
        assert "canary" not in f"{refused.value.detail}{refused.value.facts}"
        assert refused.value.__cause__ is None

    @pytest.mark.parametrize("name", ["../credentials/assets", "/etc/passwd", "a/b", ".", "A"])
    def test_leads_nowhere_but_to_its_folder(self, credential: Write, name: str) -> None:
        credential("assets", "{}")
        with pytest.raises(CredentialMissing, match="no proper name"):
            credentials.resolve(name)
