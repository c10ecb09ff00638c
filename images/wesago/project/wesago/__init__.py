"""The Django project around Misago: settings, probes, cache, queue, commands.

Misago's tasks are Celery "shared tasks": whichever process sends one (the web processes too) must
have our Celery app loaded, or it would talk to the default broker, amqp://localhost.
"""

from .celery import app as celery_app

__all__ = ["celery_app"]
