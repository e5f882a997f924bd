"""The settings say what they change, and are read through one typed reader."""

from pathlib import Path

import pytest

from tests.architecture import settings_reference
from tests.architecture.settings_reference import Variable

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "platform" / "imprimatur" / "config"
# Who may look at the environment itself: its typed reader, the two settings that fill it in, and
# those who name the settings module, hand the environment on, or set what a library reads.
MAY_READ = {
    ROOT / "manage.py",
    CONFIG / "env.py",
    CONFIG / "asgi.py",
    CONFIG / "wsgi.py",
    CONFIG / "celery.py",
    CONFIG / "settings" / "embedded.py",
    CONFIG / "settings" / "test.py",
    CONFIG / "demo" / "running.py",
    CONFIG / "management" / "commands" / "demo.py",
    ROOT / "generation" / "scoring" / "process.py",
    ROOT / "generation" / "weights" / "runtime.py",
}


class TestVariables:
    @pytest.mark.parametrize("variable", settings_reference.variables(), ids=lambda v: v.name)
    def test_say_what_they_change(self, variable: Variable) -> None:
        assert variable.says.endswith(".")

    def test_are_all_found(self) -> None:
        source = settings_reference.BASE.read_text(encoding="utf-8")
        assert len(settings_reference.variables()) > 30
        assert all(f'"{v.name}"' in source for v in settings_reference.variables())

    def test_that_no_process_starts_without_are_these(self) -> None:
        required = {v.name for v in settings_reference.variables() if v.is_required}
        assert required == {"SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "CELERY_BROKER_URL"}

    def test_are_required_together_where_one_asks_for_others(self) -> None:
        conditional = {v.name: v.only_if for v in settings_reference.variables() if v.only_if}
        assert set(conditional.values()) == {
            "BLOBS_S3_BUCKET",
            "LEDGER_ANCHOR_PLACE.startswith('s3://')",
            "LEDGER_EVENTS_PLACE.startswith('s3://')",
            "LEDGER_TILES_PLACE.startswith('s3://')",
        }

    def test_are_read_through_the_typed_reader_only(self) -> None:
        reading = {
            path
            for root in ("platform", "generation", "governance", "templates")
            for path in (ROOT / root).rglob("*.py")
            if "os.environ" in path.read_text(encoding="utf-8")
        }
        assert reading - MAY_READ == set()


class TestReading:
    def test_takes_the_comment_above_a_nested_value(self) -> None:
        source = "# Outer.\nX = {\n    # Inner.\n    'a': env_str('INNER'),\n}\n"
        [variable] = settings_reference.variables(source)
        assert (variable.says, variable.is_required) == ("Inner.", True)

    def test_leaves_a_value_without_a_comment_without_words(self) -> None:
        [variable] = settings_reference.variables("X = 1\nY = env_int('Y', 8 * 3600)\n")
        assert variable.says == ""

    def test_counts_a_condition_once(self) -> None:
        source = "# One.\nif env_secret('A', ''):\n    B = env_database('A')\n"
        [variable] = settings_reference.variables(source)
        assert (variable.default, variable.only_if) == ("''", "")
