"""gunicorn's settings for the web pods; read from the working folder.

One pod takes 2 x 4 requests at a time and holds at most 8 database connections.
"""

import gc
import os

bind = "0.0.0.0:8000"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4

timeout = 60
# requests in flight at a stop; below the pod's terminationGracePeriodSeconds
graceful_timeout = 30
# longer than Nginx keeps idle connections (60 s), so that Nginx is the one that closes them
keepalive = 75

# the root file system is read-only, and a disk that hangs must not look like a worker that hangs
worker_tmp_dir = "/dev/shm"

# the application is loaded once and its memory shared: a second of CPU and 80 MB less per worker
preload_app = True

# Nginx logs each request; here it would be said twice, and the probes every few seconds too
accesslog = None
errorlog = "-"


def when_ready(server):
    """Keeps the collector from writing to, and so copying, the pages that the workers share."""
    gc.collect()
    gc.freeze()
