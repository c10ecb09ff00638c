"""One real node: containerd, kubelet and kube-proxy, in a network namespace of its own or the machine's."""

import json

from . import cgroups, nodefiles
from .addresses import API_ADDRESS, API_PORT, PODS, node_address
from .controlplane import require_free_port
from .daemons import Daemon
from .failure import SandboxError
from .kubeconfig import write
from .network import namespace_file, prepare_node
from .pki import PROXY, kubelet
from .tools import run
from .wait import until

_SERVER = f"https://{API_ADDRESS}:{API_PORT}"


class Node:
    """The daemons and files of one node."""

    def __init__(self, name, layout, kube, authority, api, progress):
        self.name = name
        self.folder = layout.node(name)
        self._kube = kube
        self._authority = authority
        self._api = api
        self._progress = progress
        self.containerd = self._daemon("containerd")
        self.kubelet = self._daemon("kubelet")
        self.proxy = self._daemon("proxy")
        self._images_file = self.folder / "images.json"

    def daemons(self):
        return [self.containerd, self.kubelet, self.proxy]

    def prepare(self, count):
        """Makes the node's network, control groups, certificates and settings."""
        for folder in ("cni", "volumes", "pod-logs", "kubelet"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        prepare_node(self.name, count)
        cgroups.make_for_pods(self.name)
        identity = kubelet(self.name)
        self._authority.issue(identity)
        write(self.folder / "kubelet.kubeconfig", self._authority, identity, _SERVER)
        write(self.folder / "proxy.kubeconfig", self._authority, PROXY, _SERVER)
        (self.folder / "containerd.toml").write_text(nodefiles.containerd(self.folder))
        (self.folder / "cni" / "10-sandbox.conflist").write_text(nodefiles.network(self.name, self.folder))
        (self.folder / "kubelet.json").write_text(nodefiles.kubelet(self.name, self.folder, self._authority, identity))
        (self.folder / "resolv.conf").write_text(nodefiles.resolver())

    def start_containerd(self):
        """Starts containerd and waits until it answers."""
        if not self.containerd.pid():
            self._progress.say(f"starting containerd of {self.name}")
            self.containerd.start(["containerd", "--config", self.folder / "containerd.toml"], network=namespace_file(self.name))
        until(
            lambda: self.containerd_answers(),
            30,
            f"the first answer of containerd on {self.name}",
            f"look at {self.containerd.log}",
            still_possible=self.containerd.require_alive,
        )

    def containerd_answers(self):
        return (self.folder / "containerd.sock").exists() and self._ctr("version", check=False).returncode == 0

    def load(self, name, archive, digest):
        """Imports an image archive unless the node has the image with this digest."""
        loaded = self.loaded()
        if loaded.get(name) == digest and name in self.image_names():
            return False
        # Unpacking needs the whole archive once; the names in it are kept as they are.
        self._ctr("images", "import", archive, seconds=300)
        if name not in self.image_names():
            raise SandboxError(f"{archive} holds no image named {name}; name the image as the manifests do")
        loaded[name] = digest
        partial = self._images_file.with_suffix(".partial")
        partial.write_text(json.dumps(loaded, indent=1, sort_keys=True))
        partial.replace(self._images_file)
        return True

    def loaded(self):
        """Returns the digests of the images imported so far."""
        try:
            return json.loads(self._images_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def image_names(self):
        return set(self._ctr("images", "list", "--quiet").stdout.split())

    def start_kubelet(self):
        """Starts the kubelet; it registers the node by itself."""
        if self.kubelet.pid():
            return
        if self.name == "node1":
            require_free_port(10250, "the kubelet")
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
        self.kubelet.start([self._kube, "kubelet", *arguments], {"SANDBOX_BOUND_LOGS": bounded}, namespace_file(self.name))

    def start_proxy(self):
        """Starts kube-proxy once the node is registered: before, it would wait in growing steps."""
        if self.proxy.pid():
            return
        until(self.registered, 60, f"the registration of {self.name}", f"look at {self.kubelet.log}", still_possible=self.kubelet.require_alive)
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
        self.proxy.start([self._kube, "proxy", *arguments], {"SANDBOX_BOUND_LOGS": str(self.proxy.log)}, namespace_file(self.name))

    def registered(self):
        return self._api.get(f"/api/v1/nodes/{self.name}") is not None

    def ready(self):
        """Tells whether the API server holds the node ready."""
        node = self._api.get(f"/api/v1/nodes/{self.name}") or {}
        conditions = node.get("status", {}).get("conditions", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _ctr(self, *arguments, check=True, seconds=60):
        return run("ctr", "--address", self.folder / "containerd.sock", "--namespace", "k8s.io", *arguments, check=check, seconds=seconds)

    def _daemon(self, name):
        record = self.folder / "run" / f"{name}.json"
        return Daemon(f"{name} of {self.name}", self.name, record, self.folder / "logs" / f"{name}.log")
