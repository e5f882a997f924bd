"""The web process's entry for ASGI servers; it does not start on an unsound installation."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.base")
application = get_asgi_application()

from imprimatur.config import start  # noqa: E402  needs the applications loaded

start.require_sound()
