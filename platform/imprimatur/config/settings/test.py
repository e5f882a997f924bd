"""The test suite: embedded, or the services that the suite names; cheap passwords, no manifest."""

import os
import tempfile
from pathlib import Path

_var = Path(os.environ.setdefault("IMPRIMATUR_VAR", tempfile.mkdtemp(prefix="imprimatur-test-")))
os.environ.setdefault("SECRET_KEY", "only-for-the-test-suite-" + "0" * 40)
os.environ.setdefault("ALLOWED_HOSTS", "127.0.0.1,localhost,testserver")

from imprimatur.config.env import env_database, env_int  # noqa: E402
from imprimatur.config.settings.embedded import *  # noqa: E402, F403
from imprimatur.config.settings.embedded import DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
DATABASES.pop("owner", None)
# One thread sees what it wrote in a test's own transaction; what needs more says so.
WORKER_FINISHERS = env_int("WORKER_FINISHERS", 0)
# Roles of the suite's own, beside those of an installation on the same server.
DATABASE_ROLES = "imprimatur_test_as_"
if str(DATABASES["default"]["ENGINE"]).endswith("sqlite3"):
    # A file, not memory: worker processes that a test starts must see the same database.
    DATABASES["default"]["TEST"] = {"NAME": str(_var / "test.sqlite3")}
else:
    # Making and dropping a test database on a busy machine takes its time.
    DATABASES["default"] |= {"OPTIONS": env_database("DATABASE_URL", bounded=False)["OPTIONS"]}
