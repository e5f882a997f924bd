"""Typed reading of the environment: a missing or malformed value stops the start, by its name.

A message names the variable and the rule, never the value: values are often secrets.
"""

import os
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

_DATABASE_SCHEMES = {"postgres", "postgresql", "sqlite"}


def read_env_file(path: Path) -> None:
    """Load `path` (KEY=value lines) if it is there; what the environment says already wins."""
    if path.is_file():
        environ.Env.read_env(path, overwrite=False)


def env_str(name: str, default: str | None = None) -> str:
    """Return a text. Raises: ImproperlyConfigured if it is missing and has no default."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set the {name} environment variable")
    return value


def env_list(name: str, default: list[str] | None = None) -> list[str]:
    """Return a comma-separated list of texts."""
    text = env_str(name, None if default is None else ",".join(default))
    return [part.strip() for part in text.split(",") if part.strip()]


def env_int(name: str, default: int) -> int:
    """Return a whole number, 0 or more. Raises: ImproperlyConfigured if it is not one."""
    text = env_str(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise ImproperlyConfigured(f"{name} must be a whole number, 0 or more")
    return int(text)


def env_decimal(name: str, default: str = "") -> Decimal | None:
    """Return an amount of 0 or more, exactly as written, or None where it is left empty."""
    text = env_str(name, default)
    if not text:
        return None
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        raise ImproperlyConfigured(f"{name} must be an amount, such as 0.04")
    return Decimal(text)


def env_bool(name: str, default: bool = False) -> bool:
    """Return True or False, from exactly those words. Raises: ImproperlyConfigured on any other."""
    text = env_str(name, str(default))
    if text not in {"True", "False"}:
        raise ImproperlyConfigured(f"{name} must be True or False")
    return text == "True"


def env_path(name: str, default: Path | None = None) -> Path:
    """Return an absolute path."""
    return Path(env_str(name, None if default is None else str(default))).expanduser().resolve()


def env_secret(name: str, default: str | None = None) -> str:
    """Return a secret from NAME, or from the file that NAME_FILE names, which must not be empty."""
    file_name = env_str(f"{name}_FILE", "")
    if not file_name:
        return env_str(name, default)
    try:
        text = Path(file_name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{name}_FILE must name a text file that can be read") from error
    if not text:
        raise ImproperlyConfigured(f"The file that {name}_FILE names is empty")
    return text


def env_database(
    name: str, default: str | None = None, *, bounded: bool = True
) -> dict[str, object]:
    """Return Django's settings for a database URL, with the options that each vendor needs here.

    `bounded`: no statement takes longer than 8 s, no answer is waited for longer than 10, and a
    process that freezes inside a transaction loses it, with its locks, after 5, sooner than those
    who wait for them give up; a migration may take its time.
    Raises: ImproperlyConfigured, also for a database that the guards were not written for.
    """
    config = _database_of(name, env_secret(name, default))
    if str(config["ENGINE"]).endswith("sqlite3"):
        # WAL and IMMEDIATE, because several processes write: without IMMEDIATE a read that becomes
        # a write fails at once.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
            ),
        }
    else:
        # A black-holed connection must fail, not hang: keepalives find a dead peer, the timeouts
        # bound the rest. What the URL itself asks for (sslmode) stands.
        asked = config.get("OPTIONS")
        bounds = {
            "answer_s": 10,
            "options": (
                "-c statement_timeout=8000 -c lock_timeout=6000 "
                "-c idle_in_transaction_session_timeout=5000"
            ),
        }
        config["ENGINE"] = "imprimatur.config.postgresql"
        config["OPTIONS"] = {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            **(bounds if bounded else {"options": "-c lock_timeout=10000"}),
            **(asked if isinstance(asked, dict) else {}),
        }
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
    return config


def _database_of(name: str, url: str) -> dict[str, object]:
    try:
        parts = urlsplit(url)
        if parts.scheme in _DATABASE_SCHEMES and parts.path.strip("/"):
            return dict(environ.Env.db_url_config(url))
    except ValueError:
        # The error is left out of the chain: it repeats the URL, and with it the password.
        pass
    raise ImproperlyConfigured(f"{name} must be a URL like postgres://… or sqlite:///…")
