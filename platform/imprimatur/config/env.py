"""Typed reading of the environment: a missing or malformed value names its variable and stops the start."""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

_env = environ.Env()


def read_env_file(path: Path) -> None:
    """Load `path` (KEY=value lines) into the environment if it is there; what is already set wins."""
    if path.is_file():
        environ.Env.read_env(path, overwrite=False)


def env_str(name: str, default: str | None = None) -> str:
    """Return a text. Raises: ImproperlyConfigured if it is missing and has no default."""
    return str(_env.str(name, default=environ.Env.NOTSET if default is None else default))


def env_list(name: str, default: list[str] | None = None) -> list[str]:
    """Return a comma-separated list of texts."""
    return [str(x) for x in _env.list(name, default=environ.Env.NOTSET if default is None else default)]


def env_int(name: str, default: int) -> int:
    """Return a whole number. Raises: ImproperlyConfigured if it is not one."""
    try:
        return int(_env.str(name, default=str(default)))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number") from error


def env_bool(name: str, default: bool = False) -> bool:
    """Return True or False, from exactly those words. Raises: ImproperlyConfigured on any other."""
    text = _env.str(name, default=str(default))
    if text not in {"True", "False"}:
        raise ImproperlyConfigured(f"{name} must be True or False, not {text!r}")
    return bool(text == "True")


def env_path(name: str, default: Path | None = None) -> Path:
    """Return an absolute path."""
    return Path(env_str(name, None if default is None else str(default))).expanduser().resolve()


def env_secret(name: str, default: str | None = None) -> str:
    """Return a secret from NAME, or from the file that NAME_FILE names."""
    file_name = _env.str(f"{name}_FILE", default="")
    if file_name:
        return Path(file_name).read_text(encoding="utf-8").strip()
    return env_str(name, default)


def env_database(name: str, default: str | None = None) -> dict[str, object]:
    """Return Django's settings for a database URL, with the options that each vendor needs here."""
    config: dict[str, object] = dict(_env.db_url_config(env_secret(name, default)))
    if str(config["ENGINE"]).endswith("sqlite3"):
        # WAL and IMMEDIATE: several processes write; without IMMEDIATE a read that becomes a write fails at once.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
        }
    else:
        # A black-holed connection must fail, not hang: keepalives find a dead peer, the timeouts bound the rest.
        config["OPTIONS"] = {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "options": "-c statement_timeout=30000 -c lock_timeout=10000",
        }
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
    return config
