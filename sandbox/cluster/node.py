"""One real node: containerd, kubelet and kube-proxy, in a network namespace of its own or the machine's."""

from . import nodefiles
from .addresses import API_ADDRESS, API_PORT, PODS, node_address
from .controlplane import require_free_port
from .daemons import Daemon
from .imagestore import ImageStore
from .kubeconfig import write
from .network import namespace, prepare_node
from .pki import PROXY, kubelet
from .wait import until

_SERVER = f"https://{API_ADDRESS}:{API_PORT}"


class Node:
    """The daemons and files of one node."""

    def __init__(self, name, layout, kube, authority, api, progress):
        self.name = name
        self._layout = layout
        self.folder = layout.node(name)
        self._kube = kube
        self._authority = authority
        self._api = api
        self._progress = progress
        self._namespace = namespace(layout, name)
        self.store = ImageStore(name, self.folder, layout.groups, self._namespace)
        self.containerd = self.store.containerd
        self.kubelet = self._daemon("kubelet")
        self.proxy = self._daemon("proxy")

    def daemons(self):
        return [self.containerd, self.kubelet, self.proxy]

    def prepare(self, count):
        """Makes the node's network, control groups, certificates and settings."""
        for folder in ("volumes", "pod-logs", "kubelet"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        prepare_node(self._layout, self.name, count)
        self._layout.groups.make_for_pods(self.name)
        identity = kubelet(self.name)
        self._authority.issue(identity)
        write(self.folder / "kubelet.kubeconfig", self._authority, identity, _SERVER)
        write(self.folder / "proxy.kubeconfig", self._authority, PROXY, _SERVER)
        self.store.write_settings()
        (self.folder / "cni" / "10-sandbox.conflist").write_text(
            nodefiles.network(self._layout.tag, self.name, self.folder)
        )
        (self.folder / "kubelet.json").write_text(nodefiles.kubelet(self._layout, self.name, self._authority, identity))
        (self.folder / "resolv.conf").write_text(nodefiles.resolver())

    def start_kubelet(self):
        """Starts the kubelet; it registers the node by itself."""
        if self.kubelet.pid():
            return
        if not self._namespace:
            require_free_port(10250, "the kubelet")
            require_free_port(10248, "the kubelet's health")
        self._progress.say(f"starting kubelet of {self.name}")
        arguments = [
            f"--config={self.folder / 'kubelet.json'}",
            f"--kubeconfig={self.folder / 'kubelet.kubeconfig'}",
            f"--hostname-override={self.name}",
            f"--node-ip={node_address(self.name)}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet' / 'pki'}",
        ]
        bounded = f"{self.kubelet.log}:{self.containerd.log}"
        self.kubelet.start([self._kube, "kubelet", *arguments], {"SANDBOX_BOUND_LOGS": bounded}, self._namespace)

    def start_proxy(self):
        """Starts kube-proxy once the node is registered: before, it would wait in growing steps."""
        if self.proxy.pid():
            return
        until(
            self.registered,
            60,
            f"the registration of {self.name}",
            f"look at {self.kubelet.log}",
            still_possible=self.kubelet.require_alive,
        )
        if not self._namespace:
            require_free_port(10256, "kube-proxy's health")
        arguments = [
            f"--kubeconfig={self.folder / 'proxy.kubeconfig'}",
            f"--hostname-override={self.name}",
            f"--cluster-cidr={PODS}",
            "--proxy-mode=nftables",
            # Settings of the whole machine: leave them as they are.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        ]
        self.proxy.start(
            [self._kube, "proxy", *arguments], {"SANDBOX_BOUND_LOGS": str(self.proxy.log)}, self._namespace
        )

    def registered(self):
        return self._api.get(f"/api/v1/nodes/{self.name}") is not None

    def ready(self):
        """Tells whether the API server holds the node ready."""
        node = self._api.get(f"/api/v1/nodes/{self.name}") or {}
        conditions = node.get("status", {}).get("conditions", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _daemon(self, name):
        record = self.folder / "run" / f"{name}.json"
        return Daemon(
            f"{name} of {self.name}", self._layout.groups, self.name, record, self.folder / "logs" / f"{name}.log"
        )
