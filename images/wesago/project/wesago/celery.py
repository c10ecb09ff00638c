"""The Celery app: worker processes run it, web processes send tasks through it."""

import os

from celery import Celery
from celery.signals import heartbeat_sent, worker_ready, worker_shutdown

from .worker_health import Heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wesago.settings")

app = Celery("wesago")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Tasks live in misago.notifications.tasks, misago.users.admin.tasks and misago.themes.admin.tasks;
# only the first is in an installed app's own tasks.py.
app.autodiscover_tasks()
app.autodiscover_tasks(["misago.users.admin", "misago.themes.admin"])


heartbeat = Heartbeat()


@worker_ready.connect
def ready(**kwargs):
    """The worker takes tasks from now on, and answers probes."""
    heartbeat.beat()
    heartbeat.serve()


@heartbeat_sent.connect
def still_alive(**kwargs):
    """The main loop sent its heartbeat."""
    heartbeat.beat()


@worker_shutdown.connect
def no_more(**kwargs):
    """The worker takes no more tasks."""
    heartbeat.stop()
