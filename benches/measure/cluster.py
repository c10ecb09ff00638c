"""The sandbox's cluster: started when none is up, and the kubectl that prepares and clears a namespace."""

import json
import shutil
import subprocess
from pathlib import Path

from .failure import BenchError

ROOT = Path(__file__).resolve().parents[2]
SANDBOX = ROOT / "sandbox" / "sandbox"
FAKE_NODES = 5


class Cluster:
    """A control plane with fake nodes."""

    def __init__(self):
        status = self._status()
        if not status["up"]:
            subprocess.run([SANDBOX, "build"], check=True)
            subprocess.run([SANDBOX, "up", "--control-plane-only", "--kwok", str(FAKE_NODES)], check=True)
            status = self._status()
        if not status["fake_nodes"]:
            raise BenchError("the sandbox's cluster has no fake nodes; `sandbox/sandbox down`, and the bench starts one")
        self.kubeconfig = status["kubeconfig"]
        self.audit_log = status["audit_log"]
        self.context = "sandbox"

    def kubectl(self, *arguments):
        """Runs kubectl as the administrator."""
        done = subprocess.run(
            [SANDBOX, "kubectl", *arguments], capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode:
            raise BenchError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def clear(self, namespace):
        """Removes a namespace and waits until it is gone."""
        self.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait", "--timeout=10m")

    @staticmethod
    def _status():
        text = subprocess.run([SANDBOX, "status", "--json"], capture_output=True, text=True, check=False).stdout
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise BenchError(f"`sandbox/sandbox status --json` told no JSON: {error}") from error


def program(name):
    """Returns a program of this machine, or None."""
    return shutil.which(name)
