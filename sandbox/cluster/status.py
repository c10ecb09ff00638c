"""`status`: what runs, what answers, and where things are."""

import json
from pathlib import Path

from . import checks
from .cluster import Cluster
from .daemons import start_time
from .ownership import owner_of


def collect(layout, progress):
    """Returns the state of the cluster as plain data."""
    cluster = Cluster(layout, progress)
    record = cluster.record()
    if not cluster.exists():
        return {"up": False, "state": str(layout.state)}
    expected = [daemon for daemon in cluster.daemons() if daemon.name != "kwok" or record.get("fake_nodes")]
    daemons = [_daemon(daemon) for daemon in expected]
    nodes = [
        {"name": node.name, "ready": node.ready(), "images": sorted(node.store.loaded())} for node in cluster.nodes()
    ]
    answers = {"api": checks.answers(cluster.api.ready)}
    if nodes:
        answers["dns"] = checks.answers(checks.dns_answers)
        answers["ingress"] = checks.answers(checks.ingress_answers)
    healthy = (
        all(daemon["pid"] for daemon in daemons) and all(node["ready"] for node in nodes) and all(answers.values())
    )
    return {
        "up": True,
        "healthy": healthy,
        "state": str(layout.state),
        "cache": str(layout.cache),
        "checkout": owner_of(layout),
        "kubeconfig": record["kubeconfig"],
        "audit_log": str(layout.audit_log),
        "daemons": daemons,
        "nodes": nodes,
        "answers": answers,
        "fake_nodes": record.get("fake_nodes", 0),
    }


def text(status):
    """Returns the lines a person reads."""
    if not status["up"]:
        return f"no cluster in {status['state']}; `sandbox/sandbox up` makes one"
    lines = [f"{'COMPONENT':28} {'PID':>8} {'MEMORY':>8}"]
    for daemon in status["daemons"]:
        memory = f"{daemon['memory_mib']} MiB" if daemon["pid"] else ""
        lines.append(f"{daemon['name']:28} {daemon['pid'] or 'dead':>8} {memory:>8}")
    lines.append("")
    for node in status["nodes"]:
        lines.append(
            f"{node['name']}: {'ready' if node['ready'] else 'not ready'}, {len(node['images'])} images loaded"
        )
    if status["fake_nodes"]:
        lines.append(f"{status['fake_nodes']} fake nodes")
    lines.append(
        ", ".join(f"{name} {'answers' if works else 'does not answer'}" for name, works in status["answers"].items())
    )
    lines.append("")
    for key in ("state", "checkout", "cache", "kubeconfig", "audit_log"):
        lines.append(f"{key.replace('_', ' ')}: {status[key]}")
    return "\n".join(lines)


def dump(status):
    return json.dumps(status, indent=1)


def _daemon(daemon):
    pid = daemon.pid()
    return {
        "name": daemon.name,
        "pid": pid,
        "start": start_time(pid) if pid else None,
        "memory_mib": _memory(pid) if pid else 0,
        "log": str(daemon.log),
    }


def _memory(pid):
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass  # it ended just now
    return 0
