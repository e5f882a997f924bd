"""One machine, no services: SQLite, a broker of files, everything under var/; for `make demo`."""

import contextlib
import os
import secrets
from pathlib import Path

_root = Path(__file__).resolve().parents[4]
_var = Path(os.environ.get("IMPRIMATUR_VAR", _root / "var")).resolve()


def _own_secret(path: Path) -> str:
    """Return the machine's own secret, made at the first start; of two first starts one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        whole = path.with_name(f".{path.name}.{os.getpid()}")
        whole.touch(mode=0o600)
        whole.write_text(secrets.token_urlsafe(64), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(whole)
        whole.unlink()
    return path.read_text(encoding="ascii")


os.environ.setdefault("IMPRIMATUR_VAR", str(_var))
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_var / 'imprimatur.sqlite3'}")
os.environ.setdefault("CELERY_BROKER_URL", "atomicfs://localhost")
os.environ.setdefault("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
os.environ.setdefault("COOKIES_SECURE", "False")
os.environ.setdefault("LOG_JSON", "False")
# One writer at a time: under load a worker may wait long for its sign of life.
os.environ.setdefault("LEASE_S", "60")
if not os.environ.get("SECRET_KEY_FILE"):
    os.environ.setdefault("SECRET_KEY", _own_secret(_var / "keys" / "web" / "secret"))

from imprimatur.config.broker import folder_options  # noqa: E402
from imprimatur.config.settings.base import *  # noqa: E402, F403
from imprimatur.config.settings.base import CELERY_BROKER_URL  # noqa: E402

if CELERY_BROKER_URL.startswith("atomicfs"):
    CELERY_BROKER_TRANSPORT_OPTIONS = folder_options(_var / "broker")
# One role owns the file: there is nobody to separate from.
REQUIRE_OWN_ROLE = False
