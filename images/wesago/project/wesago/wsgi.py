"""What gunicorn serves.

A web process that starts before collectstatic has run would keep an empty manifest of static files
in memory and answer 500 to every page from then on, while its probes say "ready". So it does not
start: the pod comes back by itself once the files are there.
"""

import os
from pathlib import Path

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wesago.settings")

application = get_wsgi_application()


def require_static_files():
    """Exits with the reason when the static volume holds no manifest."""
    from django.conf import settings

    manifest = Path(settings.STATIC_ROOT, "staticfiles.json")
    if not manifest.is_file():
        raise SystemExit(f"{manifest} is missing: run collectstatic (collectstatic-job) first")


require_static_files()
