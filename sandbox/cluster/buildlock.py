"""One build at a time in a cache, also when several checkouts or commands share it."""

import fcntl
import os
import threading
from contextlib import contextmanager

from .wait import until

_in_process = threading.RLock()
_holders = []
"""The nested holders in this process; the first one holds the file lock for all."""


@contextmanager
def building(layout, progress):
    """Holds the cache for building; waits for a build that another command is doing."""
    with _in_process:
        handle = None if _holders else _acquire(layout, progress)
        _holders.append(handle)
        try:
            yield
        finally:
            _holders.pop()
            if handle is not None:
                os.close(handle)


def _acquire(layout, progress):
    layout.cache.mkdir(parents=True, exist_ok=True)
    handle = os.open(layout.cache, os.O_RDONLY | os.O_DIRECTORY)
    if not _try(handle):
        progress.say(f"waiting for another build in {layout.cache}")
        until(lambda: _try(handle), 3600, f"the end of the other build in {layout.cache}", interval_seconds=0.5)
    return handle


def _try(handle):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
