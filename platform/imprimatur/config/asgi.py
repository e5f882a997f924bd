"""The web process's entry for ASGI servers; it does not start on an unsound installation."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.base")
_django = get_asgi_application()

from django.conf import settings  # noqa: E402  needs the settings named
from django.urls import reverse  # noqa: E402  needs the applications loaded

from imprimatur.config import start  # noqa: E402  needs the applications loaded
from imprimatur.config.limits import BodyLimit  # noqa: E402  needs the applications loaded
from imprimatur.config.streams import Streams  # noqa: E402  needs the applications loaded

application = BodyLimit(
    Streams(_django),
    limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    larger={
        reverse(name): settings.PICTURE_BODY_MAX_BYTES
        for name in ("api:pictures", "web:picture-add")
    },
)
start.require_sound("web")
