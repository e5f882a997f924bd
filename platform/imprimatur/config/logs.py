"""Structured logs: one event a line, its facts as fields, the request's or job's id on each."""

import logging.config
from typing import Any

import structlog

OURS = ("imprimatur", "generation", "governance", "templates", "django_structlog", "uvicorn")

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
]


def logging_config(*, level: str, json: bool) -> dict[str, Any]:
    """Return the dictConfig: JSON for machines, aligned text for a person's terminal."""
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if json
        # Plain tracebacks: the default shows local variables, and those hold prompts and names.
        else [
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        # Libraries speak up only when something is wrong; our own rooms at the level that is set.
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        # uvicorn sets its own handlers first, and this takes them away: it must pass its lines on.
        "loggers": {name: {"level": level, "propagate": True} for name in OURS},
    }


def configure(config: dict[str, Any]) -> None:
    """Set up the standard library's logging and structlog on top; Django calls this at start."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            *_SHARED,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
