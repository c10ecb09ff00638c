"""Progress lines with the time elapsed since the command began."""

import sys
import threading
import time


class Progress:
    """Prints one line per step to standard error; safe to use from several threads."""

    def __init__(self, stream=None):
        self._stream = stream or sys.stderr
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    @property
    def elapsed_seconds(self):
        return time.monotonic() - self._begin

    def say(self, text):
        """Prints `text` as one line."""
        with self._lock:
            print(f"[{self.elapsed_seconds:6.1f} s] {text}", file=self._stream, flush=True)
