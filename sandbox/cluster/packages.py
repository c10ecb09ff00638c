"""What the machine must have: the right system, root, space, Debian packages and Go."""

import os
import re
import shutil

from .failure import SandboxError
from .tools import run

RUNNING = {
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "socat": "socat",
    "openssl": "openssl",
    "mount": "mount",
    "nsenter": "util-linux",
}
"""Programs a running cluster calls, and the Debian package of each."""

BUILDING = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""Programs that make images, and the Debian package of each."""

PLUGINS = "/usr/lib/cni/ptp"
MINIMUM_GO = (1, 21)
"""From this version on Go fetches the toolchain a module asks for by itself."""


def require_system():
    """Refuses machines this cannot work on, before anything is touched."""
    if os.uname().sysname != "Linux" or os.uname().machine not in ("x86_64", "aarch64"):
        raise SandboxError(f"the sandbox needs Linux on x86_64 or aarch64, this is {os.uname().sysname} on {os.uname().machine}")
    release = _release()
    if release.get("ID") != "debian" or release.get("VERSION_ID") != "12":
        name = release.get("PRETTY_NAME", "an unknown system")
        raise SandboxError(f"the sandbox needs Debian 12 (its containerd, runc and images), this is {name}")


def require_root():
    if os.geteuid() != 0:
        raise SandboxError("the sandbox needs root (namespaces, mounts, cgroups); run it as root or with sudo")


def require_space(folder, gibibytes):
    """Refuses to begin what would fill the disk half-way through."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free / 2**30
    if free < gibibytes:
        raise SandboxError(f"{folder} needs {gibibytes} GiB of free space, {free:.1f} GiB are left; free some and try again")


def install(programs, progress):
    """Installs the Debian packages of the programs that are missing."""
    missing = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if programs is RUNNING and not os.path.exists(PLUGINS):
        missing.append("containernetworking-plugins")
    if not missing:
        return
    require_root()
    progress.say(f"installing Debian packages: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", environment=environment)
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, environment=environment, seconds=1800)
    still = [program for program in programs if not shutil.which(program)]
    if still:
        raise SandboxError(f"apt-get installed {' '.join(missing)}, yet `{still[0]}` is still missing on PATH")


def require_go():
    """Returns the path of a Go that can build the modules."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not go:
        raise SandboxError("`go` is missing; install Go 1.21 or newer (it fetches the toolchain the modules ask for) and put it on PATH")
    text = run(go, "env", "GOVERSION").stdout.strip()
    version = parse_go_version(text)
    if version and version < MINIMUM_GO:
        raise SandboxError(f"{go} is {text}; the modules need Go 1.21 or newer on PATH")
    return go


def parse_go_version(text):
    """Returns (major, minor) of `go1.26.8`; None for a development build without number."""
    match = re.match(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _release():
    values = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as lines:
            for line in lines:
                key, _, value = line.strip().partition("=")
                values[key] = value.strip('"')
    except OSError:
        pass  # no such file: not a Debian, which the caller says
    return values
