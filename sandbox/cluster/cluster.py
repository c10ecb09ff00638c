"""The parts of one cluster put together, and the record of its shape."""

import json

from .addons import Addons
from .addresses import node_names
from .api import Api
from .binaries import Binaries
from .controlplane import ControlPlane
from .failure import SandboxError
from .imagebuild import ImageBuilder
from .kubeconfig import UserContext, user_file
from .node import Node
from .pki import Authority
from .seed import Seed


class Cluster:
    """Gives every command the same view of the control plane, the nodes and the record."""

    def __init__(self, layout, progress):
        self.layout = layout
        self.progress = progress
        self.binaries = Binaries(layout, progress)
        self.images = ImageBuilder(layout, self.binaries, progress)
        self.authority = Authority(layout.pki)
        self.api = Api(self.authority)
        # The program a cluster was started with stays its program, also when the sources change.
        self.kube = layout.state / "kube"
        self.control_plane = ControlPlane(layout, self.kube, self.authority, self.api, progress)
        self.addons = Addons(layout, self.kube, self.images.digest)
        self.seed = Seed(layout, self.images, progress)
        self._record_file = layout.state / "cluster.json"

    def record(self):
        """Returns the shape of the cluster as it was last brought up; empty when there is none."""
        try:
            return json.loads(self._record_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def exists(self):
        """Tells whether `up` got as far as to start something here."""
        return "nodes" in self.record()

    def write_record(self, **values):
        record = {**self.record(), **values}
        partial = self._record_file.with_suffix(".partial")
        partial.write_text(json.dumps(record, indent=1))
        partial.replace(self._record_file)

    def nodes(self):
        """Returns the nodes of the record."""
        return [self.node(name) for name in node_names(self.record().get("nodes", 0))]

    def node(self, name):
        return Node(name, self.layout, self.kube, self.authority, self.api, self.progress)

    def daemons(self):
        """Returns every daemon the cluster has, control plane first."""
        found = list(self.control_plane.daemons())
        for node in self.nodes():
            found += node.daemons()
        return found

    def require_up(self):
        if not self.exists():
            raise SandboxError(f"no cluster in {self.layout.state}; run `sandbox/sandbox up` first")

    def user_context(self):
        """Returns the context in the kubeconfig it was written to, or would be."""
        recorded = self.record().get("kubeconfig")
        return UserContext(self.kube, type(self.layout.state)(recorded) if recorded else user_file())
