"""Kubeconfig files: those of the components, and the `sandbox` context in the user's own."""

import json
import os
from pathlib import Path

from .pki import ADMIN
from .tools import run

CONTEXT = "sandbox"
LOCAL_SERVER = "https://127.0.0.1:6443"


def write(path, authority, identity, server):
    """Writes the kubeconfig of a component; JSON is YAML without its traps."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": CONTEXT, "cluster": {"server": server, "certificate-authority": str(authority.certificate)}}
        ],
        "users": [
            {
                "name": identity.file,
                "user": {
                    "client-certificate": str(authority.certificate_of(identity)),
                    "client-key": str(authority.key_of(identity)),
                },
            }
        ],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": identity.file}}],
        "current-context": CONTEXT,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))
    path.chmod(0o600)


def user_file(environment=os.environ):
    """Returns the user's kubeconfig that is written to: the first of KUBECONFIG, or the default."""
    first = environment.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path(environment.get("HOME") or Path.home()) / ".kube" / "config"


class UserContext:
    """The context `sandbox` in the user's kubeconfig, edited by kubectl beside other entries."""

    def __init__(self, kube, file):
        self._kube = kube
        self.file = file

    def write(self, authority):
        """Adds or renews the context; makes it the current one only where there is none."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._config(
            "set-cluster",
            CONTEXT,
            f"--server={LOCAL_SERVER}",
            f"--certificate-authority={authority.certificate}",
            "--embed-certs",
        )
        certificate = [
            f"--client-certificate={authority.certificate_of(ADMIN)}",
            f"--client-key={authority.key_of(ADMIN)}",
        ]
        self._config("set-credentials", CONTEXT, *certificate, "--embed-certs")
        self._config("set-context", CONTEXT, f"--cluster={CONTEXT}", f"--user={CONTEXT}")
        if not self._current():
            self._config("use-context", CONTEXT)
        self.file.chmod(0o600)

    def remove(self):
        """Takes the context away; returns whether nothing else is left in the file."""
        if not self.file.exists():
            return False
        if self._current() == CONTEXT:
            self._config("unset", "current-context")
        for command in ("delete-context", "delete-user", "delete-cluster"):
            self._config(command, CONTEXT, check=False)  # an entry the user removed by hand is gone already
        left = json.loads(self._config("view", "--output=json").stdout)
        return not any(left.get(part) for part in ("contexts", "users", "clusters"))

    def _current(self):
        return self._config("current-context", check=False).stdout.strip()

    def _config(self, *arguments, check=True):
        # The flag, not the variable: KUBECONFIG may name several files and merge them.
        return run(self._kube, "kubectl", "config", f"--kubeconfig={self.file}", *arguments, check=check)
