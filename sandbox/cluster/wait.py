"""Bounded waiting for a condition that nothing can be subscribed to."""

import time

from .failure import SandboxError


def until(condition, seconds, what, hint="", interval_seconds=0.05, still_possible=None):
    """Calls `condition` until it returns something true and returns that.

    `still_possible` may raise to end the wait early, for example when a process has died.
    After `seconds` the wait ends with an error that names `what` and the next step `hint`.
    """
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if still_possible:
            still_possible()
        if time.monotonic() >= end:
            text = f"{what} did not happen within {seconds:g} s"
            raise SandboxError(f"{text}; {hint}" if hint else text)
        time.sleep(interval_seconds)
