"""What the cluster changes on the machine itself, and what was there before.

The first `up` writes down how it found the machine; `down` puts that back.
"""

import json
import os
from pathlib import Path

from .tools import run

SYSCTLS = (
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""Kernel settings that `up` or the kubelet write."""

FOLDERS = (
    "/run/netns",
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/run/containerd",
    "/run/runc",
    "/run/xtables.lock",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/var/log/containers",
    "/var/log/pods",
    "/var/lib/kubelet",
    "/usr/libexec/kubernetes/kubelet-plugins",
    "/usr/libexec/kubernetes",
    "/opt/cni",
    "/opt/containerd",
    "/etc/cni/net.d",
    "/etc/cni",
)
"""Shared places outside the state folder that the programs insist on; children before parents."""


class Host:
    """The record of how the machine was before the cluster."""

    def __init__(self, layout):
        self._file = layout.state / "host.json"

    def remember(self):
        """Writes the record, unless an earlier `up` has written it."""
        if self._file.exists():
            return
        record = {
            "sysctls": {name: value for name in SYSCTLS if (value := read_sysctl(name)) is not None},
            "folders": [path for path in FOLDERS if os.path.lexists(path)],
            "tables": nft_tables(),
            "chains": iptables_chains(),
        }
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(record, indent=1))
        partial.replace(self._file)

    def recall(self):
        """Returns the record; an empty one when there is none."""
        try:
            return json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return {"sysctls": {}, "folders": list(FOLDERS), "tables": [], "chains": []}


def read_sysctl(name):
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None  # this kernel has no such setting


def write_sysctl(name, value):
    if read_sysctl(name) != value:
        Path("/proc/sys", name).write_text(value)


def nft_tables():
    """Lists tables as `ip nat`."""
    lines = run("nft", "list", "tables").stdout.splitlines()
    return [line.removeprefix("table ") for line in lines if line.startswith("table ")]


def iptables_chains():
    """Lists the chains of the CNI plugins' in the nat table, without making that table."""
    if "ip nat" not in nft_tables():
        return []
    lines = run("iptables", "-t", "nat", "-S").stdout.splitlines()
    return [line.split()[1] for line in lines if line.startswith("-N CNI-")]
