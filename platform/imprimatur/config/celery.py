"""The Celery application: it carries hints; a process loads only the tasks it is started with."""

import os

from celery import Celery
from celery.signals import setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.base")

from imprimatur.config import broker

app = Celery("imprimatur")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.amqp.Connection = broker.SwiftConnection


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Leave logging to Django's settings: a receiver here keeps Celery from replacing it."""


@worker_init.connect
def _start_soundly(**_: object) -> None:
    """Refuse to consume hints on an unsound installation."""
    from imprimatur.config import metrics, processes, start

    process = processes.consumer_of(app.amqp.queues.consume_from)
    start.require_sound(process)
    if process == "worker":
        metrics.serve_worker()
