"""The Celery app: worker processes run it, web processes send tasks through it."""

import os
from pathlib import Path

from celery import Celery
from celery.signals import heartbeat_sent, worker_ready, worker_shutdown

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wesago.settings")

app = Celery("wesago")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Tasks live in misago.notifications.tasks, misago.users.admin.tasks and misago.themes.admin.tasks;
# only the first is in an installed app's own tasks.py.
app.autodiscover_tasks()
app.autodiscover_tasks(["misago.users.admin", "misago.themes.admin"])


# Touched every 2 s while the main loop runs and reaches the broker: a probe that costs nothing
# ("celery inspect ping" takes 0.5 s of CPU each time).
ALIVE = Path(os.environ.get("WESAGO_CELERY_ALIVE_FILE", "/tmp/celery-alive"))


@heartbeat_sent.connect
def still_alive(**kwargs):
    """The main loop sent its heartbeat."""
    ALIVE.touch()


@worker_ready.connect
def first_alive(**kwargs):
    """The worker takes tasks from now on."""
    ALIVE.touch()


@worker_shutdown.connect
def no_more(**kwargs):
    """The worker takes no more tasks."""
    ALIVE.unlink(missing_ok=True)
