"""From one stage to the next: when the server wrote the status that made a Deployment ready, and how long after
it the next stage's first write came."""

from dataclasses import dataclass

from .audit import of_agent

# What the sandbox's one program calls itself as this component, and what the real one does.
CONTROLLER = ("controller-manager", "kube-controller-manager")


@dataclass(frozen=True)
class Edges:
    """What a run through a chain owes to the cluster, and what to itself."""

    critical_path: float
    """Seconds: the sum, stage by stage, from the first write to the status that made it ready."""
    reactions: tuple
    """Seconds from that status to the next stage's first write."""


def measure(requests, agent, length):
    """Returns the edges of a run through a chain of that many stages."""
    writes = [request for request in of_agent(requests, agent) if request.is_write]
    first = [
        min(write.received for write in writes if write.name == f"web-{stage}" and write.verb != "delete")
        for stage in range(length)
    ]
    ready = []
    for stage in range(length):
        until = first[stage + 1] if stage + 1 < length else float("inf")
        statuses = [
            # A watcher hears of a write before whoever wrote is answered.
            min(request.answered, until)
            for request in requests
            if request.agent.startswith(CONTROLLER)
            and (request.resource, request.subresource, request.name) == ("deployments", "status", f"web-{stage}")
            and request.received <= until
        ]
        ready.append(max(statuses))
    path = sum(then - begun for begun, then in zip(first, ready))
    reactions = tuple(later - then for then, later in zip(ready, first[1:]))
    return Edges(path, reactions)
