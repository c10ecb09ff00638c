"""Probe addresses, answered before any other middleware.

They come first in MIDDLEWARE, so they need no Host header that ALLOWED_HOSTS accepts (the kubelet
sends the pod's address), no session and no state of Misago. Nginx hides them from the outside.
Redis is no part of readiness on purpose: the forum serves pages without it.
"""

from django.db import Error, connection
from django.http import HttpResponse

LIVE, READY = "/-/live", "/-/ready"


class ProbeMiddleware:
    """Answers the two probe addresses and passes everything else on."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path_info == LIVE:
            return self.answer("ok", 200)
        if request.path_info == READY:
            return self.ready()
        return self.get_response(request)

    def ready(self):
        """200 when the database answers and its tables have been made, else 503 with the reason."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
        except Error as error:
            return self.answer(f"database: {type(error).__name__}", 503)
        finally:
            connection.close_if_unusable_or_obsolete()
        return self.answer("ok", 200)

    @staticmethod
    def answer(text, status):
        return HttpResponse(f"{text}\n", status=status, content_type="text/plain")
