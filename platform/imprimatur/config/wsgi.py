"""The web process's entry for WSGI servers; it does not start on an unsound installation."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.base")
application = get_wsgi_application()

from imprimatur.config import start  # noqa: E402  needs the applications loaded

start.require_sound("web")
