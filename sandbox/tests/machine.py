"""A picture of the machine: everything a cluster could leave behind, for comparing before and after."""

import json
import os
import re
import subprocess
from pathlib import Path

from cluster.host import FOLDERS, SYSCTLS, read_sysctl
from cluster.layout import DEFAULT_STATE, Layout

_OURS = re.compile(
    r"containerd|runc|kube|etcd|coredns|traefik|local-path|/pause|kwok|wesago-sandbox|\bpostgres\b|\bnginx\b|redis-server"
)


def picture(isolated):
    """Returns the picture as named lists of lines.

    In namespaces of its own the cluster still shares processes and control groups with another
    one on the machine, so there only what carries the cluster's own names counts.
    """
    layout = Layout.from_environment()
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    groups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup")]
    processes = _processes()
    if isolated:
        mounts = [point for point in mounts if not point.startswith(f"{DEFAULT_STATE}/")]
        groups = [folder for folder in groups if f"/{layout.groups.name}" in folder]
        processes = [line for line in processes if str(layout.state) in line]
    return {
        "processes": processes,
        "mounts": sorted(mounts),
        "control groups": sorted(groups),
        "files": _files(layout.state),
        "network namespaces": _lines("ip", "netns"),
        "links": _links(),
        "addresses": _addresses(),
        "routes": _lines("ip", "route", "show", "table", "all"),
        "nft ruleset": _lines("nft", "list", "ruleset"),
        "iptables nat": _lines("iptables", "-t", "nat", "-S"),
        "nft ruleset after iptables looked": _lines("nft", "list", "ruleset"),
        "kernel settings": [f"{name}={read_sysctl(name)}" for name in SYSCTLS],
        "kubeconfig": _kubeconfig(),
    }


def differences(before, after):
    """Returns readable differences of two pictures; none when they are equal."""
    found = []
    for name, lines in before.items():
        appeared = [line for line in after[name] if line not in lines]
        vanished = [line for line in lines if line not in after[name]]
        found += [f"{name}: left behind: {line}" for line in appeared]
        found += [f"{name}: lost: {line}" for line in vanished]
    return found


def _lines(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def _links():
    listed = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout)
    return sorted(f"{link['ifname']} {link.get('operstate')}" for link in listed)


def _addresses():
    listed = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True).stdout)
    return sorted(f"{link['ifname']} {address['local']}" for link in listed for address in link.get("addr_info", []))


def _processes():
    """Command lines of everything that looks like a part of a cluster; this test itself does not count."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                program = os.readlink(entry / "exe")
            except OSError:
                continue  # it ended, or is a kernel thread
            name = os.path.basename(program)
            if _OURS.search(name) or _OURS.search(line.partition(" ")[0]):
                found.append(f"{name}: {line}")
    return sorted(found)


def _files(state):
    places = [*FOLDERS, str(state), "/run", "/var/lib", "/var/log", "/var/run", "/opt", "/usr/libexec"]
    found = []
    for place in places:
        if os.path.isdir(place):
            found += [f"{place}/{name}" for name in sorted(os.listdir(place))]
        elif os.path.lexists(place):
            found.append(place)
    return sorted(set(found))


def _kubeconfig():
    path = Path(os.environ.get("KUBECONFIG", "").split(":")[0] or Path.home() / ".kube" / "config")
    return path.read_text().splitlines() if path.exists() else []
