"""The web process's entry for WSGI servers."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imprimatur.config.settings.base")
application = get_wsgi_application()
