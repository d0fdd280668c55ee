"""For a server of processes: gunicorn config.wsgi. Each process opens a workspace of its own at its first call."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
