"""Healing: what a crash or a reboot left that would disturb a new start."""

import shutil
from pathlib import Path

from .tools import run

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def forget_before_boot(cluster):
    """After a reboot, drops the runtime state that pointed at processes and mounts of before.

    Images, volumes, certificates and the objects in etcd stay. Within one boot nothing is
    dropped: containerd and the kubelet find their containers again by themselves.
    """
    boot = _BOOT.read_text().strip()
    recorded = cluster.record().get("boot")
    if recorded and recorded != boot:
        cluster.progress.say("the machine was started anew since; dropping the state of ended containers")
        for node in cluster.nodes():
            for folder in ("containerd/state", "containerd/runc", "addresses", "run"):
                shutil.rmtree(node.folder / folder, ignore_errors=True)
        shutil.rmtree(cluster.layout.run, ignore_errors=True)
    cluster.write_record(boot=boot)


def mounts_below(folder):
    """Lists mount points below a folder, deepest last mounted first."""
    points = []
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            point = line.split()[4].encode().decode("unicode_escape")
            if point == str(folder) or point.startswith(f"{folder}/"):
                points.append(point)
    return points[::-1]


def unmount_below(folder):
    """Unmounts everything below a folder; lazily what is still held."""
    for point in mounts_below(folder):
        if run("umount", point, check=False).returncode != 0:
            run("umount", "--lazy", point, check=False)


def processes_naming(folder):
    """Lists processes whose command line names the folder: a second net under the control groups."""
    needle = f"{folder}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                program = (entry / "exe").readlink().name.removesuffix(" (deleted)")
            except OSError:
                continue  # it ended meanwhile, or is a kernel thread
            if needle in line and program in _PROGRAMS:
                found.append(int(entry.name))
    return found


_PROGRAMS = {"kube", "containerd", "containerd-shim-runc-v2", "runc"}
