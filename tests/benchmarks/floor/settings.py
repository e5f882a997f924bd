"""The test suite's settings, with the timed engine in each worker."""

from imprimatur.config.settings.test import *  # noqa: F403

CELERY_IMPORTS = ("tests.benchmarks.floor.timed",)
