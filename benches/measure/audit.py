"""The API server's audit log: who asked for what, and when it was answered. It counts; nobody else does."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True)
class Request:
    """One request, answered."""

    agent: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    received: float
    answered: float

    @property
    def is_write(self):
        return self.verb in WRITES


class Audit:
    """The log from a moment on."""

    def __init__(self, log):
        self._log = Path(log)
        self._from = self._log.stat().st_size

    def requests(self):
        """Returns the requests begun since then in the order of their arrival, each once."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            lines = log.read().split(b"\n")[:-1]  # the last line may be half written
        known, requests = set(), []
        for line in lines:
            entry = json.loads(line)
            # A watch is told of twice: when it begins, and when it ends.
            if entry["auditID"] in known:
                continue
            known.add(entry["auditID"])
            target = entry.get("objectRef", {})
            requests.append(
                Request(
                    agent=entry.get("userAgent", ""),
                    verb=entry["verb"],
                    resource=target.get("resource", ""),
                    subresource=target.get("subresource", ""),
                    namespace=target.get("namespace", ""),
                    name=target.get("name", ""),
                    received=_seconds(entry["requestReceivedTimestamp"]),
                    answered=_seconds(entry["stageTimestamp"]),
                )
            )
        return sorted(requests, key=lambda request: request.received)


def of_agent(requests, word):
    """Returns the requests of programs whose user agent begins with a word."""
    return [request for request in requests if request.agent.lower().startswith(word.lower())]


def _seconds(stamp):
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
