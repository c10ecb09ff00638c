"""Probe addresses of a worker pod, on a port of their own.

A worker sends a heartbeat every 2 s while its main loop runs and reaches the queue; the answers are
about the age of the last one. An HTTP probe costs the node a hundredth of what a command in the
container costs ("celery inspect ping" takes half a second of CPU each time).
"""

import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

PORT = 8001

# Seconds since the last heartbeat that are still good. Alive far longer than ready: while Redis is
# away there are no heartbeats, and a restart would not bring it back.
LIMITS = {"/-/ready": 30, "/-/live": 300}


class Heartbeat:
    """Knows when the worker's main loop was last seen running."""

    def __init__(self):
        self._last = None

    def beat(self):
        """The main loop runs and reaches the queue."""
        self._last = time.monotonic()

    def stop(self):
        """The worker takes no more tasks."""
        self._last = None

    def answer(self, path):
        """Status and text for a probe of that path."""
        limit = LIMITS.get(path)
        if limit is None:
            return 404, "no such probe"
        if self._last is None:
            return 503, "not taking tasks"
        age = time.monotonic() - self._last
        return (200 if age < limit else 503), f"last heartbeat {age:.0f} s ago"

    def serve(self, port=PORT):
        """Answers probes in a thread of the calling process, until it ends."""
        server = ThreadingHTTPServer(("", port), partial(ProbeHandler, self))
        Thread(target=server.serve_forever, name="probes", daemon=True).start()
        return server


class ProbeHandler(BaseHTTPRequestHandler):
    """Turns one request of the kubelet into an answer of the heartbeat."""

    def __init__(self, heartbeat, *args):
        self.heartbeat = heartbeat
        super().__init__(*args)

    def do_GET(self):
        status, text = self.heartbeat.answer(self.path)
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Probes are no news."""
