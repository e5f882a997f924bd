"""The probes: alive is alive; ready names the part that is not, and nothing else about it."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as installed
from django.test import Client
from imprimatur.config import broker, health

from governance.tables import guards
from tests.factories import jobs

PARTS = ("database", "broker", "storage", "guards")
SECRET = "hunter2 at db.internal"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _blobs(settings: Any, tmp_path: Path) -> None:
    jobs.use_blobs(settings, tmp_path / "blobs")


def ready(client: Client) -> tuple[int, dict[str, str]]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def only(part: str) -> dict[str, str]:
    return {"status": "failed"} | {name: "failed" if name == part else "ok" for name in PARTS}


class TestLive:
    def test_answers_without_asking_anything(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
    ) -> None:
        monkeypatch.setattr(health, "PROBES", {})
        with django_assert_num_queries(0):
            answer = client.get("/livez")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    @pytest.mark.parametrize("path", ["/livez", "/readyz"])
    def test_is_only_read(self, client: Client, path: str) -> None:
        assert client.post(path).status_code == 405


class TestReady:
    def test_is_well_when_every_part_is(self, client: Client) -> None:
        assert ready(client) == (200, {"status": "ok"} | dict.fromkeys(PARTS, "ok"))

    @pytest.mark.parametrize("part", PARTS)
    def test_names_the_one_part_that_fails_and_no_internals(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, part: str
    ) -> None:
        def fail() -> None:
            raise OSError(SECRET)

        monkeypatch.setitem(health.PROBES, part, fail)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, only(part))
        assert "hunter2" not in answer.content.decode()

    def test_leaves_nothing_in_the_store(self, client: Client, tmp_path: Path) -> None:
        ready(client)
        assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


class TestAPart:
    def test_storage_fails_where_nothing_can_be_written(
        self, client: Client, settings: Any, tmp_path: Path
    ) -> None:
        file = tmp_path / "a-file"
        file.write_text("")
        jobs.use_blobs(settings, file / "blobs")
        assert ready(client) == (503, only("storage"))

    def test_broker_fails_where_nobody_listens(self, client: Client, settings: Any) -> None:
        settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1}
        assert ready(client) == (503, only("broker"))

    def test_broker_of_files_fails_without_its_folder(
        self, client: Client, settings: Any, tmp_path: Path
    ) -> None:
        settings.CELERY_BROKER_URL = "atomicfs://localhost"
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = broker.folder_options(tmp_path / "broker")
        assert ready(client)[0] == 200
        (tmp_path / "broker" / "messages").rmdir()
        assert ready(client) == (503, only("broker"))

    def test_guards_fail_when_one_is_gone(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guards, "missing", lambda _connection: ["release_needs_approval"])
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, only("guards"))
        assert b"release_needs_approval" not in answer.content

    def test_broker_is_the_one_that_the_settings_name(self) -> None:
        assert installed.CELERY_BROKER_URL.split(":")[0] in {"atomicfs", "redis"}
