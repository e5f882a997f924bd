"""The web process's entry for ASGI servers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.base")
application = get_asgi_application()
