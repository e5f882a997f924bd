"""The environment: each helper names the variable that is wrong, and never repeats its value."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from imprimatur.config import env

NAME = "IMPRIMATUR_TEST_VALUE"


def given(monkeypatch: pytest.MonkeyPatch, value: str | None, name: str = NAME) -> None:
    if value is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, value)


class TestAMissingValue:
    @pytest.mark.parametrize(
        "read", [env.env_str, env.env_list, env.env_path, env.env_secret, env.env_database]
    )
    def test_is_named(self, monkeypatch: pytest.MonkeyPatch, read: Callable[[str], Any]) -> None:
        given(monkeypatch, None)
        with pytest.raises(ImproperlyConfigured, match=NAME):
            read(NAME)

    def test_takes_its_default(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        given(monkeypatch, None)
        assert env.env_str(NAME, "x") == "x"
        assert env.env_list(NAME, ["a", "b"]) == ["a", "b"]
        assert env.env_list(NAME, []) == []
        assert env.env_int(NAME, 7) == 7
        assert env.env_bool(NAME, default=True) is True
        assert env.env_path(NAME, tmp_path) == tmp_path
        assert env.env_secret(NAME, "") == ""


class TestAMalformedValue:
    @pytest.mark.parametrize("value", ["", "seven", "1.5", "-1", "1e3", "０", " 7"])
    def test_of_a_number_is_named(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        given(monkeypatch, value)
        with pytest.raises(ImproperlyConfigured, match=f"{NAME} must be a whole number"):
            env.env_int(NAME, 1)

    @pytest.mark.parametrize("value", ["", "true", "1", "yes", "FALSE"])
    def test_of_a_switch_is_named(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        given(monkeypatch, value)
        with pytest.raises(ImproperlyConfigured, match=f"{NAME} must be True or False"):
            env.env_bool(NAME)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "hunter2",
            "mysql://app:hunter2@db/imprimatur",
            "postgres://app:hunter2@db",
            "postgres://app:hunter2@db:port/imprimatur",
            "postgres://app:hunter2@[db/imprimatur",
            "sqlite://",
        ],
    )
    def test_of_a_database_is_named_and_its_password_is_not(
        self, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        given(monkeypatch, value)
        with pytest.raises(ImproperlyConfigured, match=NAME) as caught:
            env.env_database(NAME)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__context__ is None


class TestAValue:
    def test_is_read_as_its_type(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given(monkeypatch, "a, b,,c ")
        assert env.env_list(NAME) == ["a", "b", "c"]
        given(monkeypatch, "42")
        assert env.env_int(NAME, 1) == 42
        given(monkeypatch, "False")
        assert env.env_bool(NAME, default=True) is False
        given(monkeypatch, "~/somewhere/../x")
        assert env.env_path(NAME) == Path("~/x").expanduser().resolve()

    def test_that_begins_with_a_dollar_is_taken_as_it_stands(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given(monkeypatch, "$HOME-and-more")
        assert env.env_secret(NAME) == "$HOME-and-more"

    def test_in_the_file_of_settings_does_not_win(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / ".env"
        file.write_text(f"{NAME}=from-the-file\n{NAME}_TOO=also\n")
        given(monkeypatch, "from-outside")
        monkeypatch.setenv(f"{NAME}_TOO", "")
        monkeypatch.delenv(f"{NAME}_TOO")
        env.read_env_file(file)
        assert env.env_str(NAME) == "from-outside"
        assert env.env_str(f"{NAME}_TOO") == "also"
        env.read_env_file(tmp_path / "not-there")


class TestASecret:
    def test_comes_from_the_file_that_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / "secret"
        file.write_text("hunter2\n")
        given(monkeypatch, "from-the-variable")
        given(monkeypatch, str(file), f"{NAME}_FILE")
        assert env.env_secret(NAME) == "hunter2"

    @pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
    def test_in_a_file_that_holds_none_is_no_start(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
    ) -> None:
        file = tmp_path / "secret"
        if content is not None:
            file.write_bytes(content)
        given(monkeypatch, "from-the-variable")
        given(monkeypatch, str(file), f"{NAME}_FILE")
        with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE"):
            env.env_secret(NAME)


class TestAnAmount:
    @pytest.mark.parametrize("text", ["0", "0.04", "12", "0.00000001"])
    def test_is_taken_exactly(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        given(monkeypatch, text)
        assert env.env_decimal(NAME) == Decimal(text)

    def test_that_is_left_empty_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given(monkeypatch, "")
        assert env.env_decimal(NAME) is None

    @pytest.mark.parametrize("text", ["-1", "1e3", "NaN", "0,04", "1.2.3", ".", " 1", "４"])
    def test_that_is_none_is_no_start(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        given(monkeypatch, text)
        with pytest.raises(ImproperlyConfigured, match=NAME):
            env.env_decimal(NAME)


class TestADatabase:
    def test_on_sqlite_has_one_writer_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given(monkeypatch, "sqlite:////srv/imprimatur.sqlite3")
        config: Any = env.env_database(NAME)
        assert config["NAME"] == "/srv/imprimatur.sqlite3"
        assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert "journal_mode=WAL" in config["OPTIONS"]["init_command"]

    def test_on_postgresql_keeps_what_its_url_asks_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = "postgres://app:p%40ss@db:5433/imprimatur?sslmode=verify-full"
        given(monkeypatch, url)
        config: Any = env.env_database(NAME)
        assert (config["USER"], config["PASSWORD"], config["PORT"]) == ("app", "p@ss", 5433)
        assert config["OPTIONS"]["sslmode"] == "verify-full"
        assert "statement_timeout" in config["OPTIONS"]["options"]
