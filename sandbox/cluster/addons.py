"""The addons: rendering the manifests in `sandbox/addons/` and applying them."""

import json

from .addresses import API_ADDRESS, DNS_SERVICE, MAXIMUM_NODES, node_names
from .content import content_hash
from .images import COREDNS, DEBIAN, IMAGES, LOCAL_PATH, TRAEFIK
from .tools import run

CLASSES = ("classes.yaml", "nodes.yaml")
SERVICES = ("coredns.yaml", "local-path.yaml", "traefik.yaml")


def render(layout, files, digest):
    """Returns one document stream of the manifests; `digest` tells an image's content hash."""
    names = node_names(MAXIMUM_NODES)
    paths = [{"node": name, "paths": [str(layout.node(name) / "volumes")]} for name in names]
    values = {
        "DNS_SERVICE": DNS_SERVICE,
        "NODE_ADDRESS": API_ADDRESS,
        "NODE_PATHS": json.dumps(paths),
    }
    texts = [(layout.sandbox / "addons" / file).read_text() for file in files]
    if files is SERVICES:
        # A pod is replaced when its image was rebuilt or its settings changed.
        settings = content_hash(*texts, values["NODE_PATHS"])
        values["COREDNS_DIGEST"] = f"{digest(IMAGES[COREDNS])}-{settings}"
        values["LOCAL_PATH_DIGEST"] = f"{digest(IMAGES[LOCAL_PATH])}-{digest(IMAGES[DEBIAN])}-{settings}"
        values["TRAEFIK_DIGEST"] = digest(IMAGES[TRAEFIK])
    return "---\n".join(fill(text, values) for text in texts)


def fill(text, values):
    """Puts values into `@NAME@` places."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


class Addons:
    """Applies manifests, and remembers what was applied so that a second `up` is quick."""

    def __init__(self, layout, kube, digest):
        self._layout = layout
        self._kube = kube
        self._digest = digest

    def apply(self, files):
        """Applies the manifests unless just these were applied before; tells whether it did."""
        text = render(self._layout, files, self._digest)
        stamp = self._layout.state / f"applied-{files[0]}"
        if stamp.exists() and stamp.read_text() == content_hash(text):
            return False
        kubeconfig = self._layout.state / "kubeconfig" / "admin"
        flags = [f"--kubeconfig={kubeconfig}", f"--cache-dir={self._layout.state / 'kubectl-cache'}"]
        run(
            self._kube,
            "kubectl",
            *flags,
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=sandbox",
            "-f",
            "-",
            text_input=text,
        )
        stamp.write_text(content_hash(text))
        return True
