"""`kill`, `restart`, `logs`: naming a component, breaking it on purpose, bringing it back."""

import os

from .cluster import Cluster
from .failure import SandboxError
from .ownership import exclusive, require_ours
from .packages import require_root
from .wait import until

CONTROL_PLANE = ("etcd", "apiserver", "controller-manager", "scheduler", "kwok")
NODE = ("containerd", "kubelet", "proxy")
# An API server ends only when the last of its watchers has gone, and they come back as long as it listens.
_PATIENCE = {"apiserver": 5}
NAMES = f"{', '.join(CONTROL_PLANE)}; {', '.join(f'{name}[@NODE]' for name in NODE)}; node NODE"


def parse(words):
    """Turns `etcd`, `kubelet@node2` or `node node2` into (component, node or None)."""
    if len(words) == 2 and words[0] == "node":
        return "node", words[1]
    if len(words) != 1:
        raise SandboxError(f"name one component: {NAMES}")
    component, _, node = words[0].partition("@")
    if component in CONTROL_PLANE and not node:
        return component, None
    if component in NODE:
        return component, node or "node1"
    raise SandboxError(f"no component `{words[0]}`; there are {NAMES}")


def kill(layout, progress, words):
    """Ends a component with SIGKILL: no farewell, as in a crash."""
    with _working(layout, progress) as cluster:
        component, node = _existing(cluster, words)
        if component == "node":
            cluster.layout.groups.kill(node)
            progress.say(f"killed every process of {node}")
            return
        daemon = _daemon(cluster, component, node)
        if not daemon.kill():
            raise SandboxError(f"{daemon.name} does not run; start it with `sandbox/sandbox restart {' '.join(words)}`")
        progress.say(f"killed {daemon.name}")


def restart(layout, progress, words):
    """Ends a component gracefully if it runs, starts it, and waits until it answers."""
    with _working(layout, progress) as cluster:
        component, node = _existing(cluster, words)
        if component == "node":
            _restart_node(cluster.node(node))
        else:
            _daemon(cluster, component, node).stop(_PATIENCE.get(component, 20))
            _start(cluster, component, node)
        progress.say(f"restarted {' '.join(words)}")


def log_file(layout, progress, words):
    """Returns the log of a component."""
    cluster = Cluster(layout, progress)
    component, node = _existing(cluster, words)
    if component == "node":
        raise SandboxError(f"a node has several logs; name one: {', '.join(f'{name}@{node}' for name in NODE)}")
    log = _daemon(cluster, component, node).log
    if not log.exists():
        raise SandboxError(f"{component} has no log: it was never started")
    return log


class _working:
    """Holds the cluster for a command that changes it."""

    def __init__(self, layout, progress):
        require_root()
        self._exclusive = exclusive(layout)
        self._layout = layout
        self._cluster = Cluster(layout, progress)

    def __enter__(self):
        if not self._layout.state.exists():
            self._cluster.require_up()
        self._exclusive.__enter__()
        try:
            require_ours(self._layout)
            self._cluster.require_up()
        except BaseException:
            self._exclusive.__exit__(None, None, None)
            raise
        return self._cluster

    def __exit__(self, *error):
        return self._exclusive.__exit__(*error)


def _existing(cluster, words):
    cluster.require_up()
    component, node = parse(words)
    names = [known.name for known in cluster.nodes()]
    if node and node not in names:
        raise SandboxError(f"no node `{node}`; this cluster has {', '.join(names) or 'no node'}")
    return component, node


def _daemon(cluster, component, node):
    if node:
        return getattr(cluster.node(node), component)
    return getattr(cluster.control_plane, component.replace("-", "_"))


def _start(cluster, component, node):
    plane = cluster.control_plane
    if component == "etcd":
        plane.start_etcd()
    elif component == "apiserver":
        plane.start_apiserver()
    elif component == "kwok":
        plane.start_kwok(cluster.binaries.need("kwok"))
    elif component == "containerd":
        cluster.node(node).store.start_containerd()
    elif node:
        getattr(cluster.node(node), f"start_{component}")()
    else:
        plane.start_controllers()
        plane.wait_for_controllers()


def _restart_node(node):
    for daemon in (node.kubelet, node.proxy, node.containerd):
        daemon.stop()
    node.store.start_containerd()
    node.start_kubelet()
    node.start_proxy()
    until(
        node.ready,
        120,
        f"readiness of {node.name}",
        f"look at {node.kubelet.log}",
        still_possible=node.kubelet.require_alive,
    )


def follow(log):
    """Becomes a program that shows a log as it grows."""
    os.execvp("tail", ["tail", "-n", "200", "-F", str(log)])
