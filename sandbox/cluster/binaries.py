"""The Go programs of the cluster: what each is built from, and building what the cache lacks."""

import json
import os
import re
import shutil
from dataclasses import dataclass

from .buildlock import building
from .content import content_hash
from .failure import SandboxError
from .packages import require_go
from .tools import run, run_logged

KUBERNETES = "v1.34.4"


@dataclass(frozen=True)
class Binary:
    """One program: the module folder below `sandbox/` and the package built in it."""

    name: str
    package: str = "."
    flags: str = "-s -w"


_VERSION = "k8s.io/component-base/version"
BINARIES = {
    binary.name: binary
    for binary in (
        Binary(
            "kube",
            flags=f"-s -w -X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34",
        ),
        Binary("pause"),
        Binary("coredns"),
        Binary("local-path-provisioner", "github.com/rancher/local-path-provisioner"),
        Binary("traefik", "github.com/traefik/traefik/v3/cmd/traefik"),
        Binary("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    )
}


class Binaries:
    """The compiled programs in the cache, each named after the hash of its inputs."""

    def __init__(self, layout, progress):
        self._layout = layout
        self._progress = progress

    def path(self, name):
        """Returns where the program with the present inputs is, or would be, in the cache."""
        binary = BINARIES[name]
        module = self._layout.sandbox / name
        digest = content_hash(module, binary.package, binary.flags, *_patch_inputs(name), _RECIPE)
        return self._layout.binaries / f"{name}-{digest}"

    def need(self, name):
        """Returns the program; an error when it was never built."""
        path = self.path(name)
        if not path.exists():
            raise SandboxError(f"the program `{name}` is not built; run `sandbox/sandbox build` first")
        return path

    def build(self, name):
        """Builds the program unless the cache has it, and returns its path."""
        path = self.path(name)
        if not path.exists():
            with building(self._layout, self._progress):
                if not path.exists():
                    self._compile(name, path)
        return path

    def _compile(self, name, path):
        binary = BINARIES[name]
        module = self._layout.sandbox / name
        go = require_go(self._layout.cache, self._progress)
        log = self._layout.cache / "logs" / f"{name}.log"
        self._progress.say(f"compiling {name} (log: {log})")
        self._layout.binaries.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        partial = path.with_name(path.name + ".partial")
        command = [
            go,
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
            binary.flags,
            "-o",
            partial,
        ]
        environment = {**os.environ, "CGO_ENABLED": "0"}
        modfile = _patched_modfile(name, go, module, self._layout.cache, environment)
        if modfile:
            command += ["-modfile", modfile]
        run_logged([*command, binary.package], log, environment=environment, folder=module)
        partial.chmod(0o755)
        partial.replace(path)
        self._forget_old(name, path)
        self._progress.say(f"compiled {name}: {path.stat().st_size / 2**20:.0f} MiB")

    def _forget_old(self, name, current):
        """Keeps the current and the one built before it: the cache is shared by checkouts."""
        others = [
            path
            for path in self._layout.binaries.iterdir()
            if re.fullmatch(re.escape(name) + "-[0-9a-f]{16}", path.name) and path != current
        ]
        others.sort(key=lambda path: path.stat().st_mtime)
        for path in others[:-1]:
            path.unlink()


_RECIPE = "go build 1"
"""Changes when the way of building changes."""


@dataclass(frozen=True)
class Patch:
    """A change of one file in a copy of a pinned dependency, before that is compiled."""

    dependency: str
    file: str
    text: str
    """What is put before the line `before`, or instead of the whole file."""
    before: str | None = None

    def applied(self, source):
        """Returns the file's text with the change in it."""
        if self.before is None:
            return self.text
        if source.count(self.before) != 1:
            raise SandboxError(
                f"{self.dependency}/{self.file} has not exactly one line `{self.before.strip()}`; the patch needs a look"
            )
        return source.replace(self.before, self.text + self.before)


_PATCHES = {
    # Its client is limited to 5 requests a second and no flag raises that: the polling for
    # a dozen volumes' helper pods alone uses that up, and volumes wait for one another.
    "local-path-provisioner": Patch(
        "github.com/rancher/local-path-provisioner",
        "main.go",
        "\tconfig.QPS, config.Burst = 100, 200\n",
        before="\tkubeClient, err := clientset.NewForConfig(config)\n",
    ),
    # Certificates by way of 160 clouds' name servers: nobody asks for one here, and their clients are most of
    # what there is to compile.
    "traefik": Patch(
        "github.com/go-acme/lego/v4",
        "providers/dns/zz_gen_dns_providers.go",
        """package dns

import (
	"fmt"

	"github.com/go-acme/lego/v4/challenge"
)

// NewDNSChallengeProviderByName knows no provider.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("this Traefik was built without the DNS provider %s", name)
}
""",
    ),
}


def _patch_inputs(name):
    patch = _PATCHES.get(name)
    return (patch.before or "", patch.text) if patch else ()


def _patched_modfile(name, go, module, cache, environment):
    """Copies the dependency with the patch and returns a go.mod that uses the copy."""
    patch = _PATCHES.get(name)
    if not patch:
        return None
    fetched = run(go, "mod", "download", "-json", patch.dependency, environment=environment, folder=module)
    original = type(cache)(json.loads(fetched.stdout)["Dir"])
    changed = patch.applied((original / patch.file).read_text())
    folder = cache / "patched" / name
    shutil.rmtree(folder, ignore_errors=True)
    copy = folder / "source"
    shutil.copytree(original, copy, copy_function=shutil.copyfile)
    (copy / patch.file).write_text(changed)
    modfile = folder / "go.mod"
    modfile.write_text((module / "go.mod").read_text() + f"\nreplace {patch.dependency} => {copy}\n")
    shutil.copyfile(module / "go.sum", folder / "go.sum")
    return modfile
