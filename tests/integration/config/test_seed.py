"""The demo's seed: run again it adds nothing, and its people can sign in."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from imprimatur.accounts import selectors as people
from imprimatur.config.demo import examples, seed

from generation.packs import manifest
from generation.registry import selectors as registry
from governance.kernel.clock import now
from templates.prompts import selectors as prompts
from tests import packs, rows
from tests.integration.api.client import Client

pytestmark = pytest.mark.django_db
EVERYBODY = [person.username for person in (*seed.ADMINS, *seed.MEMBERS)]


@pytest.fixture
def var(settings: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings.VAR = tmp_path
    settings.DESTINATION_ROOTS = [tmp_path / "published"]
    settings.MODELS_FOLDER = tmp_path / "models"
    packs.copy_of(packs.shared_pack(tmp_path_factory), tmp_path / "models" / seed.PACK_FOLDER)
    return tmp_path


class TestTheExamples:
    def test_are_ordered_once_and_one_is_refused_for_its_words(self, var: Path) -> None:
        seed.seed(now=now())
        assert examples.order_once(now=now()) == len(examples.EXAMPLES)
        ordered = rows.counted()
        assert ordered["jobs_generationjob"] == len(examples.EXAMPLES) - 1
        assert ordered["refusals_refusal"] == 1
        assert examples.order_once(now=now()) == 0
        assert rows.added_since(ordered) == {}


class TestTheSeed:
    def test_adds_nothing_when_it_runs_again(self, var: Path) -> None:
        first = seed.seed(now=now())
        before = rows.counted()
        assert before["prompts_templaterelease"] >= 5
        assert seed.seed(now=now()) == first
        call_command("demo_seed", stdout=StringIO())
        assert rows.added_since(before) == {}

    def test_lets_everybody_sign_in_and_nobody_by_another_password(self, var: Path) -> None:
        seeded = seed.seed(now=now())
        assert sorted(seeded.passwords) == sorted(EVERYBODY)
        for username, password in seeded.passwords.items():
            assert sign_in(username, password) == 200, username
        assert sign_in("marta", seeded.passwords["bruno"]) == 401

    def test_keeps_the_passwords_for_its_owner_alone(self, var: Path) -> None:
        seeded = seed.seed(now=now())
        file = var / "demo" / "people.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert json.loads(file.read_text()) == seeded.passwords

    def test_gives_each_role_to_somebody_and_the_admins_none(self, var: Path) -> None:
        seeded = seed.seed(now=now())
        for person in seed.MEMBERS:
            actor = people.get_actor_by_username(person.username)
            assert actor.roles[seeded.brand_id] == frozenset(person.roles)
        for person in seed.ADMINS:
            assert people.get_actor_by_username(person.username).roles == {}

    def test_goes_on_where_it_was_interrupted(
        self, var: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        released = prompts_released(3, monkeypatch)
        with pytest.raises(ConnectionError):
            seed.seed(now=now())
        monkeypatch.undo()
        assert released
        seeded = seed.seed(now=now())
        marta = people.get_actor_by_username("marta")
        templates = prompts.list_templates(marta, brand_id=seeded.brand_id)
        assert len(templates) >= 5
        assert all(template.released for template in templates)

    def test_proposes_a_rebuilt_model_anew(
        self, var: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seed.seed(now=now())
        before = registry.current_profile(seed.PROFILE)
        rebuilt = manifest.read(var / "models" / seed.PACK_FOLDER)
        rebuilt = replace(rebuilt, model=replace(rebuilt.model, snapshot_sha256="0" * 64))
        monkeypatch.setattr(seed.manifest, "read", lambda _folder: rebuilt)
        seed.seed(now=now())
        after = registry.current_profile(seed.PROFILE)
        assert (before.number, after.number) == (1, 2)
        assert after.snapshot_sha256 == "0" * 64


def prompts_released(stop_at: int, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Cut the seed off in the middle of a template: drafted and approved, not yet released."""
    release, seen = seed.prompts.release_version, list[object]()

    def cut_off(**facts: Any) -> object:
        seen.append(facts["version_id"])
        if len(seen) == stop_at:
            raise ConnectionError("cut off")
        return release(**facts)

    monkeypatch.setattr(seed.prompts, "release_version", cut_off)
    return seen


def sign_in(username: str, password: str) -> int:
    client = Client()
    client.token = client.get("session").json()["csrf_token"]
    answer = client.post("session", {"username": username, "password": password})
    return int(answer.status_code)
