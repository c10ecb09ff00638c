"""The programs compared: how each deploys a content, and by which name it asks the server."""

import os
import subprocess
from pathlib import Path

from .cluster import ROOT, program
from .failure import BenchError
from .program import run

HELM = "helm.sh/helm/v4/cmd/helm@v4.3.1"
TOOLS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wesago-bench"


class Wesago:
    """The release build of this checkout."""

    name = agent = "wesago"

    def __init__(self, cluster):
        self._program = ROOT / "target" / "release" / "wesago"
        if not self._program.exists():
            raise BenchError(f"{self._program} is missing; `make bench` builds it")
        self._cluster = cluster

    def prepare(self, content):
        """Does what a deploy does not do itself: nothing."""

    def deploy(self, folder, content):
        return run(
            [self._program, "deploy", "--yes", "--quiet", "--context", self._cluster.context]
            + ["--kubeconfig", self._cluster.kubeconfig, "--plan", folder / "plan.yaml"]
        )


class Kubectl:
    """`kubectl apply --server-side`, stage by stage with `rollout status` between them, as a script does it."""

    name = agent = "kubectl"

    def __init__(self, cluster):
        self._program = program("kubectl")
        self._cluster = cluster
        if self._program is None:
            raise BenchError("kubectl is not installed; leave it out with --without kubectl")

    def prepare(self, content):
        self._cluster.kubectl("create", "namespace", content.name)

    def deploy(self, folder, content):
        kubectl = f'"{self._program}" --kubeconfig="{self._cluster.kubeconfig}" --context={self._cluster.context}'
        lines = ["set -e"]
        for index, objects in enumerate(content.stages):
            lines.append(f'{kubectl} apply --server-side -f "{folder}/stage-{index}"')
            for thing in objects:
                if thing["kind"] == "Deployment":
                    lines.append(f"{kubectl} -n {content.name} rollout status deployment/{thing['metadata']['name']}")
        return run(["/bin/sh", "-c", "\n".join(lines)])


class Helm:
    """`helm upgrade --install --wait`: one chart, no order in it."""

    name = agent = "helm"

    def __init__(self, cluster):
        self._program = TOOLS / "helm"
        self._cluster = cluster
        if not self._program.exists():
            print(f"building Helm: go install {HELM}", flush=True)
            done = subprocess.run(["go", "install", HELM], env={**os.environ, "GOBIN": str(TOOLS)}, check=False)
            if done.returncode:
                raise BenchError("Helm could not be built; leave it out with --without helm")

    def prepare(self, content):
        """Helm makes the namespace itself."""

    def deploy(self, folder, content):
        return run(
            [self._program, "upgrade", "--install", content.name, folder / "chart", "--namespace", content.name]
            + ["--create-namespace", "--wait", "--timeout", "10m"]
            + ["--kubeconfig", self._cluster.kubeconfig, "--kube-context", self._cluster.context]
        )


PEERS = {peer.name: peer for peer in (Wesago, Kubectl, Helm)}
