"""Proofs that the cluster works: asked of the real thing, each bounded."""

import http.client
import json
import socket
import struct

from .addresses import API_SERVICE, DNS_SERVICE
from .api import ask
from .failure import SandboxError
from .images import DEBIAN
from .wait import until

_NAME = "kubernetes.default.svc.cluster.local"
_PODS = "/api/v1/namespaces/kube-system/pods"
_CLAIMS = "/api/v1/namespaces/kube-system/persistentvolumeclaims"
_FINISHED = ("Succeeded", "Failed")


def answers(question, seconds=3):
    """Tells whether a question is answered, asked as a client would: again when one answer gets lost."""
    try:
        return until(question, seconds, "an answer", interval_seconds=0.2)
    except SandboxError:
        return False


def dns_answers():
    """Asks the cluster's DNS through its Service for a name every cluster has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        try:
            client.sendto(dns_question(_NAME), (DNS_SERVICE, 53))
            return socket.inet_aton(API_SERVICE) in client.recv(512)
        except OSError:
            return False


def dns_question(name):
    """Returns the packet that asks for the IPv4 address of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 0x5A5A, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def ingress_answers():
    """Fetches Traefik's own health page through port 80, an Ingress and a Service."""
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=2)
    return ask(connection, "GET", "/ping", headers={"Host": "ping.sandbox.internal"}) == (200, "OK")


class PodCheck:
    """A pod with a volume on one node: claims, writes, reads back, and asks the DNS from inside."""

    def __init__(self, api, node):
        self._api = api
        self._node = node
        self._name = f"sandbox-check-{node}"

    def run(self, seconds):
        """Runs the pod to its end and removes it and its claim."""
        self._remove()
        until(self._gone, 60, f"the removal of an earlier {self._name}")
        try:
            self._create(_CLAIMS, self._claim())
            self._create(_PODS, self._pod())
            hint = f"see `sandbox/sandbox kubectl -n kube-system describe pod,pvc {self._name}`"
            phase = until(self._finished, seconds, f"the end of the volume and DNS check on {self._node}", hint)
            if phase != "Succeeded":
                _, log = self._api.request("GET", f"{_PODS}/{self._name}/log")
                raise SandboxError(
                    f"the volume and DNS check on {self._node} failed: {log.strip()[-200:] or 'no output'}"
                )
        finally:
            self._remove()

    def _finished(self):
        phase = (self._api.get(f"{_PODS}/{self._name}") or {}).get("status", {}).get("phase")
        return phase if phase in _FINISHED else None

    def _gone(self):
        return all(self._api.request("GET", f"{path}/{self._name}")[0] == 404 for path in (_PODS, _CLAIMS))

    def _remove(self):
        for path in (_PODS, _CLAIMS):
            self._api.request("DELETE", f"{path}/{self._name}", {"gracePeriodSeconds": 0})

    def _create(self, path, body):
        def accepted():
            status, text = self._api.request("POST", path, body)
            if status in (400, 422):
                raise SandboxError(f"the API server refused {self._name}: {json.loads(text)['message']}")
            return status in (201, 409)

        # Right after a start the namespace's service account may not have been made yet.
        until(accepted, 30, f"the creation of {body['kind']} {self._name}")

    def _claim(self):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": self._name}, "spec": spec}

    def _pod(self):
        # Right after a heal the first answers of the DNS may be refusals: it has just found its API server.
        asked = f"for i in $(seq 60); do getent ahostsv4 {_NAME} && exit 0; sleep 0.5; done; echo no such name; exit 1"
        script = f"echo written > /data/probe && grep -q written /data/probe || exit 1; {asked}"
        container = {
            "name": "check",
            "image": DEBIAN,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", script],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        spec = {
            "restartPolicy": "Never",
            "nodeSelector": {"kubernetes.io/hostname": self._node},
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            # The node's kube-proxy may still be writing its first rules.
            "dnsConfig": {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "30"}]},
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": self._name}}],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self._name}, "spec": spec}
