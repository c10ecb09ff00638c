"""`down`: ends everything and puts the machine back as the first `up` found it."""

import json
import os
import shutil
import signal
import socket
import stat
from pathlib import Path

from . import network
from .cluster import Cluster
from .failure import SandboxError
from .host import FOLDERS, Host, iptables_chains, nft_tables, write_sysctl
from .leftovers import mounts_below, processes_naming, unmount_below
from .ownership import exclusive, require_ours
from .packages import RUNNING, install, missing_packages, require_root
from .tools import run
from .wait import until

_PROXY_TABLES = ("ip kube-proxy", "ip6 kube-proxy")


def down(layout, progress, force=False):
    """Removes the cluster; right after a crash, after half an `up` and without one as well."""
    require_root()
    with exclusive(layout):
        if not force:
            require_ours(layout)
        cluster = Cluster(layout, progress)
        had = cluster.exists()
        if had:
            install(RUNNING, progress)
        if missing_packages(RUNNING):
            # `up` installs them before it touches anything: a machine without them never had a cluster.
            remove_state(layout)
        else:
            Down(cluster).run()
    progress.say(f"down: nothing is left but the cache in {layout.cache}" if had else "down: there was no cluster")


class Down:
    """One run of `down`. Order matters: processes, mounts, network, control groups, files."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._layout = cluster.layout
        self._before = Host(cluster.layout).recall()

    def run(self):
        self._forget_context()
        self._end_processes()
        self._unmount()
        self._remove_namespaces()
        if network.is_ours(self._layout.state):
            self._remove_links()
            self._remove_rules()
        self._layout.groups.remove()
        for name, value in self._before["sysctls"].items():
            write_sysctl(name, value)
        self._remove_outside()
        remove_state(self._layout)

    def _forget_context(self):
        """Takes the context out of the user's kubeconfig, while the program for it is still there."""
        if not self._cluster.exists() or not self._cluster.kube.exists():
            return
        context = self._cluster.user_context()
        try:
            empty = context.remove()
        except SandboxError as error:
            # A kubeconfig broken by somebody else must not keep the cluster alive.
            self._cluster.progress.say(f"the context `sandbox` stays in {context.file}: {error}")
            return
        created = self._cluster.record().get("kubeconfig_created", [])
        if empty and str(context.file) in created:
            context.file.unlink()
            if str(context.file.parent) in created and only_kubectl_caches(context.file.parent):
                shutil.rmtree(context.file.parent)

    def _end_processes(self):
        # At once and without asking: whoever would restart a container dies with it.
        self._layout.groups.kill()
        for pid in processes_naming(self._layout.state):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself
        until(lambda: not processes_naming(self._layout.state), 20, "the end of the processes of the cluster")

    def _unmount(self):
        unmount_below(self._layout.state)
        until(
            lambda: not mounts_below(self._layout.state), 20, f"the unmounting of everything below {self._layout.state}"
        )

    def _remove_namespaces(self):
        if Path("/run/netns").is_dir():
            for name in sorted(os.listdir("/run/netns")):
                if name.startswith(f"{self._layout.tag}-node"):
                    run("ip", "netns", "delete", name)

    def _remove_links(self):
        for name in network.links():
            if name.startswith("sandbox-node"):
                run("ip", "link", "delete", name, check=False)  # its other half may have taken it away
        # A pod's link ends with its namespace, a moment later; this does not wait for that.
        for link in json.loads(run("ip", "-json", "address", "show").stdout):
            addresses = [address["local"] for address in link.get("addr_info", [])]
            if link["ifname"].startswith("veth") and any(address.startswith("198.18.") for address in addresses):
                run("ip", "link", "delete", link["ifname"], check=False)

    def _remove_rules(self):
        tables = nft_tables()
        for table in (f"ip {network.TABLE}", *_PROXY_TABLES):
            if table in tables and table not in self._before["tables"]:
                run("nft", "delete", "table", *table.split())
        remove_plugin_chains(self._before["chains"])
        for table in nft_tables():
            if (
                table not in self._before["tables"]
                and table.split()[1] in ("nat", "filter", "mangle")
                and is_empty(table)
            ):
                run("nft", "delete", "table", *table.split())

    def _remove_outside(self):
        """Removes what the programs insist on putting outside the state folder."""
        remove_links_into(Path("/var/log/containers"), self._layout.state)
        remove_results_of(Path("/var/lib/cni/results"), self._layout.state)
        remove_dead_sockets(Path("/run/containerd/s"))
        if "/var/lib/kubelet" not in self._before["folders"]:
            shutil.rmtree("/var/lib/kubelet", ignore_errors=True)
        ours = "/run/netns" not in self._before["folders"]
        if ours and mounts_below("/run/netns") and not os.listdir("/run/netns"):
            run("umount", "/run/netns")
        for path in FOLDERS:
            if path not in self._before["folders"]:
                remove_if_empty(Path(path))


def remove_state(layout):
    """Removes the state folder, unless something is mounted below it."""
    left = mounts_below(layout.state)
    if left:
        # Removing through a mount would remove what is on the other side of it.
        raise SandboxError(f"{left[0]} is still mounted; find its user with `fuser -m {left[0]}` and run `down` again")
    # Tens of thousands of links to image files: three times as fast as in Python.
    run("rm", "--recursive", "--force", "--one-file-system", layout.state)


def only_kubectl_caches(folder):
    return all(entry.name in ("cache", "http-cache") for entry in folder.iterdir())


def remove_plugin_chains(before):
    """Removes the CNI plugins' chains that were not there before, with the rules that jump to them."""
    ours = [chain for chain in iptables_chains() if chain not in before]
    if not ours:
        return
    rules = run("iptables", "-t", "nat", "-S").stdout.splitlines()
    for rule in rules:
        if rule.startswith("-A ") and any(f"-j {chain}" in rule for chain in ours):
            run("sh", "-c", f"iptables -t nat -D {rule.removeprefix('-A ')}")  # the listing quotes for a shell
    for chain in ours:
        run("iptables", "-t", "nat", "-F", chain)
    for chain in ours:
        run("iptables", "-t", "nat", "-X", chain)


def is_empty(table):
    """Tells whether a table has no rule: what listing with iptables leaves behind."""
    listed = json.loads(run("nft", "--json", "list", "table", *table.split()).stdout)
    return not any("rule" in item for item in listed["nftables"])


def remove_links_into(folder, target):
    """Removes symbolic links that lead below `target`."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_symlink() and os.readlink(path).startswith(f"{target}/"):
                path.unlink()


def remove_results_of(folder, state):
    """Removes what the CNI library remembers of pods whose namespaces were below the state folder."""
    if folder.is_dir():
        for path in folder.iterdir():
            if f"{state}/".encode() in path.read_bytes():
                path.unlink()


def remove_dead_sockets(folder):
    """Removes the sockets of ended shims: nobody listens on them any more."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if stat.S_ISSOCK(path.lstat().st_mode) and not _listens(path):
            path.unlink()


def _listens(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


def remove_if_empty(path):
    """Removes a file of no content or a tree of empty folders."""
    if path.is_dir():
        for child, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(child)
            except OSError:
                pass  # somebody else keeps something there
    elif path.exists() and path.stat().st_size == 0:
        path.unlink()
