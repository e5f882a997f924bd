"""Kinds of destination are found by themselves, and their settings are held to a schema."""

from pathlib import Path

import pytest
from imprimatur.publishing.destinations import registry
from jsonschema import Draft202012Validator

from governance.kernel.errors import InvalidInput, NotFound

S3_CONFIG = {"bucket": "assets", "region": "eu-central-1"}
S3_CREDENTIAL = {"access_key_id": "canary-id", "secret_access_key": "canary-secret"}


class TestKinds:
    def test_are_the_modules_beside_the_registry(self) -> None:
        assert registry.kinds() == ("folder", "s3")

    @pytest.mark.parametrize("kind", registry.kinds())
    def test_describe_their_settings_by_valid_schemas(self, kind: str) -> None:
        schema = registry.config_schema(kind)
        Draft202012Validator.check_schema(dict(schema))
        assert schema["additionalProperties"] is False

    def test_say_which_of_them_need_a_credential(self) -> None:
        assert {kind: registry.needs_credential(kind) for kind in registry.kinds()} == {
            "folder": False,
            "s3": True,
        }

    def test_that_nobody_knows_are_not_found(self) -> None:
        with pytest.raises(NotFound):
            registry.config_schema("os")


class TestRequireConfig:
    @pytest.mark.parametrize(
        ("kind", "config"),
        [
            ("folder", {"path": "/srv/published"}),
            ("s3", S3_CONFIG),
            ("s3", {**S3_CONFIG, "endpoint_url": "http://127.0.0.1:7480", "prefix": "a/b"}),
        ],
    )
    def test_accepts_what_fits(self, kind: str, config: dict[str, object]) -> None:
        registry.require_config(kind, config)

    @pytest.mark.parametrize(
        ("kind", "config", "pointer"),
        [
            ("folder", {}, ""),
            ("folder", {"path": "relative"}, "/path"),
            ("folder", {"path": "/srv", "mode": 7}, ""),
            ("s3", {**S3_CONFIG, "bucket": "No"}, "/bucket"),
            ("s3", {**S3_CONFIG, "prefix": "../up"}, "/prefix"),
            ("s3", {**S3_CONFIG, "endpoint_url": "file:///etc"}, "/endpoint_url"),
            ("s3", {**S3_CONFIG, "endpoint_url": "http://user:pw@host"}, "/endpoint_url"),
            ("s3", {**S3_CONFIG, "read_timeout_s": 0}, "/read_timeout_s"),
            ("s3", {**S3_CONFIG, "secret_access_key": "canary-secret"}, ""),
        ],
    )
    def test_names_the_setting_that_does_not_fit(
        self, kind: str, config: dict[str, object], pointer: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            registry.require_config(kind, config)
        assert refusal.value.pointer == pointer
        assert "canary" not in refusal.value.detail


class TestConnect:
    def test_refuses_a_credential_that_does_not_fit_without_quoting_it(self) -> None:
        for credential in (None, {}, {**S3_CREDENTIAL, "role": "canary"}):
            with pytest.raises(InvalidInput) as refusal:
                registry.connect("s3", S3_CONFIG, credential)
            assert "canary" not in refusal.value.detail

    def test_refuses_a_credential_where_none_belongs(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput):
            registry.connect("folder", {"path": str(tmp_path)}, S3_CREDENTIAL)

    def test_checks_the_settings_first(self) -> None:
        with pytest.raises(InvalidInput):
            registry.connect("folder", {"path": "relative"})
