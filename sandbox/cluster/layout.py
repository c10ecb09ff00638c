"""Where things are: the checkout, the cache that outlives clusters, the state of one cluster."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from .cgroups import ControlGroups

DEFAULT_STATE = Path("/var/lib/wesago-sandbox")


@dataclass(frozen=True)
class Layout:
    """The folders of one invocation; every other path is derived from these three."""

    sandbox: Path
    """The folder `sandbox/` of the checkout."""
    cache: Path
    """Compiled programs and image archives, named by the hash of what they were made from."""
    state: Path
    """Everything one running cluster needs; removed by `down`."""

    @classmethod
    def from_environment(cls, environment=os.environ):
        """Reads the folders from the environment, with the documented defaults."""
        home = Path(environment.get("HOME") or Path.home())
        cache = environment.get("WESAGO_SANDBOX_CACHE") or home / ".cache" / "wesago-sandbox"
        state = environment.get("WESAGO_SANDBOX_STATE") or DEFAULT_STATE
        return cls(
            sandbox=Path(__file__).resolve().parent.parent,
            cache=Path(cache).absolute(),
            state=Path(state).absolute(),
        )

    @property
    def tag(self):
        """Marks what has a name outside the state folder, so that two state folders never mix."""
        if self.state == DEFAULT_STATE:
            return "sandbox"
        return "sandbox-" + hashlib.sha256(str(self.state).encode()).hexdigest()[:8]

    @property
    def groups(self):
        """The control groups of this cluster's processes."""
        return ControlGroups(f"wesago-{self.tag}")

    @property
    def checkout(self):
        """The root of the checkout: application images are built from `images/` in it."""
        return self.sandbox.parent

    @property
    def binaries(self):
        return self.cache / "binaries"

    @property
    def images(self):
        return self.cache / "images"

    @property
    def pki(self):
        return self.state / "pki"

    @property
    def logs(self):
        return self.state / "logs"

    @property
    def run(self):
        """Process records: who was started, with which start time."""
        return self.state / "run"

    @property
    def audit_log(self):
        return self.logs / "audit.log"

    @property
    def owner(self):
        """Names the checkout this cluster belongs to."""
        return self.state / "owner"

    def node(self, name):
        return self.state / "nodes" / name
