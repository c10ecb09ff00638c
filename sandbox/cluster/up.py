"""`up`: from whatever is there to a cluster that answers, starting only what does not run."""

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

from . import addons, checks, network
from .addresses import MAXIMUM_NODES, node_names
from .cluster import Cluster
from .controlplane import require_free_port
from .failure import SandboxError
from .host import Host
from .images import IMAGES
from .kubeconfig import LOCAL_SERVER, user_file, write
from .leftovers import forget_before_boot
from .ownership import claim, exclusive
from .packages import RUNNING, install, require_root, require_space, require_system
from .pki import ADMIN, CONTROL_PLANE
from .seed import plant
from .wait import until


def up(layout, progress, nodes=None, fake_nodes=None):
    """Brings the cluster up; `nodes` 0 means the control plane alone, None as it was before or 1."""
    require_system()
    require_root()
    install(RUNNING, progress)
    require_space(layout.state, 4)
    network.require_free(layout.state)
    with exclusive(layout):
        claim(layout)
        Up(Cluster(layout, progress)).run(nodes, fake_nodes)


class Up:
    """One run of `up`: the control plane here, the nodes' runtimes and images beside it."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._say = cluster.progress.say
        self._changed = False
        self._hopeless = threading.Event()

    def run(self, nodes, fake_nodes):
        cluster = self._cluster
        record = cluster.record()
        count = self._node_count(nodes, record)
        fake = record.get("fake_nodes", 0) if fake_nodes is None else fake_nodes
        self._programs(fake)
        # Nodes that are there already get what is new one image at a time.
        grows = any(not (node.folder / "containerd" / "root").exists() for node in map(cluster.node, node_names(count)))
        seed = cluster.seed.ensure() if grows else None
        forget_before_boot(cluster)
        Host(cluster.layout).remember()
        if count and not record.get("nodes"):
            require_free_port(80, "the ingress")
        network.prepare_host(cluster.layout.state)
        cluster.write_record(nodes=count, fake_nodes=fake, **self._kubeconfig(record))
        self._certificates()
        self._changed = any(
            daemon.pid() is None for daemon in cluster.daemons() if daemon is not cluster.control_plane.kwok
        )
        with ThreadPoolExecutor(max_workers=count + 1) as pool:
            beside = [pool.submit(cluster.user_context().write, cluster.authority)]
            beside += [pool.submit(self._runtime, node, count, seed) for node in cluster.nodes()]
            try:
                self._control_plane(fake, count)
            except BaseException:
                self._hopeless.set()
                raise
            for work in beside:
                work.result()
        self._nodes(count)
        self._say(f"up: {self._summary(count, fake)}; context `sandbox` is in {cluster.user_context().file}")

    def _node_count(self, wanted, record):
        had = record.get("nodes")
        count = wanted if wanted is not None else (1 if had is None else had)
        if not 0 <= count <= MAXIMUM_NODES:
            raise SandboxError(f"{count} nodes are not possible; the address plan has room for 1 to {MAXIMUM_NODES}")
        if had is not None and count < had:
            raise SandboxError(
                f"the cluster has {had} nodes, fewer are not possible while it runs; run `sandbox/sandbox down` first"
            )
        return count

    def _programs(self, fake):
        """Takes the programs into the state folder: a changed checkout does not change a running cluster."""
        cluster = self._cluster
        built = cluster.binaries.build("kube")
        if not cluster.kube.exists() or not os.path.samefile(built, cluster.kube):
            cluster.kube.unlink(missing_ok=True)
            try:
                os.link(built, cluster.kube)
            except OSError:
                shutil.copy(built, cluster.kube)  # the cache is on another file system
        if fake:
            cluster.binaries.build("kwok")

    def _kubeconfig(self, record):
        """Returns where the context goes, and what of that path was not there before."""
        if "kubeconfig" in record:
            return {}
        file = user_file().absolute()
        created = [str(path) for path in (file, file.parent) if not path.exists()]
        return {"kubeconfig": str(file), "kubeconfig_created": created}

    def _certificates(self):
        cluster = self._cluster
        cluster.authority.create()
        with ThreadPoolExecutor(max_workers=4) as pool:
            for issued in [pool.submit(cluster.authority.issue, identity) for identity in CONTROL_PLANE]:
                issued.result()
        write(cluster.layout.state / "kubeconfig" / "admin", cluster.authority, ADMIN, LOCAL_SERVER)

    def _control_plane(self, fake, count):
        cluster = self._cluster
        plane = cluster.control_plane
        plane.prepare()
        plane.start_etcd()
        plane.start_apiserver()
        plane.start_controllers()
        self._changed |= cluster.addons.apply(addons.CLASSES)
        if fake:
            plane.start_kwok(cluster.binaries.need("kwok"))
            self._fake_nodes(fake, tainted=count > 0)
        if count:
            self._changed |= cluster.addons.apply(addons.SERVICES)
        self._say("the API server is ready")
        plane.wait_for_controllers()

    def _runtime(self, node, count, seed):
        """Brings up a node's containerd with its images, then its kubelet and kube-proxy."""
        node.prepare(count)
        if seed and plant(seed, node.folder):
            self._say(f"{node.name} has its images")
        node.store.start_containerd()
        self._load(node)
        hint = f"look at {self._cluster.control_plane.apiserver.log}"
        until(self._cluster.api.ready, 150, "the API server's readiness", hint, 0.1, self._require_hope)
        node.start_kubelet()
        node.start_proxy()

    def _require_hope(self):
        if self._hopeless.is_set():
            raise SandboxError("the control plane did not start")

    def _load(self, node):
        """Loads what an older node lacks of the present images."""
        for name, digest in self._cluster.seed.wanted().items():
            if node.store.loaded().get(name) != digest:
                node.store.load(name, self._cluster.images.build(IMAGES[name]), digest)
                self._changed = True
                self._say(f"loaded {name} into {node.name}")

    def _nodes(self, count):
        cluster = self._cluster
        for node in cluster.nodes():
            until(
                node.ready,
                90,
                f"readiness of {node.name}",
                f"look at {node.kubelet.log}",
                still_possible=node.kubelet.require_alive,
            )
            self._say(f"{node.name} is ready")
        if not count:
            return
        hint = "see `sandbox/sandbox kubectl -n kube-system get pods` and `sandbox/sandbox logs`"
        with ThreadPoolExecutor(max_workers=count + 2) as pool:
            running = [
                pool.submit(
                    self._proved, "DNS answers", until, checks.dns_answers, 90, "an answer of the cluster's DNS", hint
                ),
                pool.submit(
                    self._proved,
                    "ingress answers on port 80",
                    until,
                    checks.ingress_answers,
                    90,
                    "an answer of the ingress",
                    hint,
                ),
            ]
            if self._changed:
                for name in node_names(count):
                    check = checks.PodCheck(cluster.api, name)
                    running.append(
                        pool.submit(self._proved, f"a pod on {name} wrote its volume and asked the DNS", check.run, 120)
                    )
            for check in running:
                check.result()

    def _proved(self, what, check, *arguments):
        check(*arguments)
        self._say(what)

    def _fake_nodes(self, count, tainted):
        """Makes the Node objects kwok plays; beside real nodes only pods that tolerate it go there."""
        for number in range(1, count + 1):
            name = f"fake{number}"
            taints = [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}] if tainted else []
            metadata = {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
            }
            body = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": taints}}
            status, text = self._cluster.api.request("POST", "/api/v1/nodes", body)
            if status not in (201, 409):
                raise SandboxError(f"the API server refused the fake node {name}: {text.strip()[:200]}")

    def _summary(self, count, fake):
        parts = ["control plane"]
        parts += [f"{count} node{'s' if count > 1 else ''}"] if count else []
        parts += [f"{fake} fake nodes"] if fake else []
        return ", ".join(parts)
