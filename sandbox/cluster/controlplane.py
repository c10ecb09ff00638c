"""The control plane: etcd, API server, controller manager, scheduler, and kwok on request."""

import http.client
import socket
import ssl

from .addresses import API_ADDRESS, API_PORT, FAKE_PODS, PODS, SERVICES
from .api import ask
from .daemons import Daemon
from .kubeconfig import LOCAL_SERVER, write
from .pki import API_SERVER, CONTROLLER_MANAGER, FAKE_NODES, KUBELET_CLIENT, SCHEDULER
from .wait import until

PART = "control-plane"
_ETCD = "http://127.0.0.1:2379"
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""
_SCHEDULER = """\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: "%s", qps: 100, burst: 200}
"""


class ControlPlane:
    """The processes that make a cluster without nodes."""

    def __init__(self, layout, kube, authority, api, progress):
        self._layout = layout
        self._kube = kube
        self._authority = authority
        self._api = api
        self._progress = progress
        self.etcd = self._daemon("etcd")
        self.apiserver = self._daemon("apiserver")
        self.controller_manager = self._daemon("controller-manager")
        self.scheduler = self._daemon("scheduler")
        self.kwok = self._daemon("kwok")

    def daemons(self):
        return [self.etcd, self.apiserver, self.controller_manager, self.scheduler, self.kwok]

    def prepare(self):
        """Writes certificates, kubeconfigs and settings, unless they exist."""
        for identity in (CONTROLLER_MANAGER, SCHEDULER):
            write(self._kubeconfig(identity), self._authority, identity, LOCAL_SERVER)
        (self._layout.state / "audit-policy.yaml").write_text(_AUDIT_POLICY)
        (self._layout.state / "scheduler.yaml").write_text(_SCHEDULER % self._kubeconfig(SCHEDULER))

    def start_etcd(self):
        data = self._layout.state / "etcd"
        arguments = [
            "--name=sandbox",
            f"--data-dir={data}",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380",
            "--initial-cluster=sandbox=http://127.0.0.1:2380",
            "--log-level=warn",
            # A power cut may cost the data of a sandbox; waiting for the disk would cost every write.
            "--unsafe-no-fsync",
        ]
        if not self.etcd.pid():
            require_free_port(2379, "etcd")
            self._start(self.etcd, "etcd", arguments)
        hint = f"look at {self.etcd.log}; after a power cut its data may be damaged: `sandbox/sandbox down`, then `up`"
        until(lambda: _answers(2379), 30, "etcd's first answer", hint, still_possible=self.etcd.require_alive)

    def start_apiserver(self):
        """Starts the API server and waits until it is ready."""
        pki = self._authority
        arguments = [
            "--etcd-servers=" + _ETCD,
            f"--secure-port={API_PORT}",
            "--bind-address=0.0.0.0",
            f"--advertise-address={API_ADDRESS}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--tls-cert-file={pki.certificate_of(API_SERVER)}",
            f"--tls-private-key-file={pki.key_of(API_SERVER)}",
            f"--client-ca-file={pki.certificate}",
            f"--kubelet-certificate-authority={pki.certificate}",
            f"--kubelet-client-certificate={pki.certificate_of(KUBELET_CLIENT)}",
            f"--kubelet-client-key={pki.key_of(KUBELET_CLIENT)}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={pki.service_account_key}",
            f"--service-account-signing-key-file={pki.service_account_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",
            f"--audit-policy-file={self._layout.state / 'audit-policy.yaml'}",
            f"--audit-log-path={self._layout.audit_log}",
            # Large enough that no measurement loses its beginning, and still bounded.
            "--audit-log-maxsize=1024",
            "--audit-log-maxbackup=1",
        ]
        if not self.apiserver.pid():
            require_free_port(API_PORT, "the API server")
            self._start(self.apiserver, "apiserver", arguments)
        until(
            self._api.ready,
            90,
            "the API server's readiness",
            f"look at {self.apiserver.log}",
            still_possible=self.apiserver.require_alive,
        )

    def start_controllers(self):
        """Starts controller manager and scheduler; only now, or their first retries cost up to 50 s."""
        pki = self._authority
        arguments = [
            f"--kubeconfig={self._kubeconfig(CONTROLLER_MANAGER)}",
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={pki.service_account_key}",
            f"--root-ca-file={pki.certificate}",
            f"--cluster-signing-cert-file={pki.certificate}",
            f"--cluster-signing-key-file={pki.key}",
            f"--cluster-cidr={PODS}",
            f"--service-cluster-ip-range={SERVICES}",
            "--kube-api-qps=100",
            "--kube-api-burst=200",
        ]
        if not self.controller_manager.pid():
            require_free_port(10257, "the controller manager")
            self._start(self.controller_manager, "controller-manager", arguments)
        if not self.scheduler.pid():
            require_free_port(10259, "the scheduler")
            self._start(self.scheduler, "scheduler", [f"--config={self._layout.state / 'scheduler.yaml'}"])

    def wait_for_controllers(self):
        """Waits until controllers and scheduler run; one that still starts when the API server goes away ends."""
        for daemon, port, question, sign in (
            # Each controller has a line of its own there, once it was started.
            (self.controller_manager, 10257, "/healthz?verbose", "-controller ok"),
            (self.scheduler, 10259, "/readyz?verbose", "readyz check passed"),
        ):
            until(
                lambda port=port, question=question, sign=sign: sign in _health(port, question),
                60,
                f"the start of the {daemon.name}",
                f"look at {daemon.log}",
                still_possible=daemon.require_alive,
            )

    def start_kwok(self, program):
        """Starts kwok, which plays the kubelet of nodes that are only objects."""
        self._authority.issue(FAKE_NODES)
        write(self._kubeconfig(FAKE_NODES), self._authority, FAKE_NODES, LOCAL_SERVER)
        arguments = [
            program,
            f"--kubeconfig={self._kubeconfig(FAKE_NODES)}",
            f"--config={self._layout.sandbox / 'addons' / 'kwok-stages.yaml'}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            f"--cidr={FAKE_PODS}",
            f"--node-ip={API_ADDRESS}",
            "--node-lease-duration-seconds=40",
        ]
        self.kwok.start(arguments)

    def _kubeconfig(self, identity):
        return self._layout.state / "kubeconfig" / identity.file

    def _daemon(self, name):
        return Daemon(
            name, self._layout.groups, PART, self._layout.run / f"{name}.json", self._layout.logs / f"{name}.log"
        )

    def _start(self, daemon, component, arguments):
        self._progress.say(f"starting {daemon.name}")
        daemon.start([self._kube, component, *arguments], {"SANDBOX_BOUND_LOGS": str(daemon.log)})


def require_free_port(port, wanted_by):
    """Names the port and who wants it, instead of leaving that to a log.

    A process that was just killed counts as gone while its threads still let go of the port, so a port
    is given a moment.
    """
    until(
        lambda: _is_free(port),
        5,
        f"the release of port {port} for {wanted_by}",
        "it is taken by another program; stop that and try again",
    )


def _is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def _health(port, question):
    """Returns what a component says of itself; its certificate is one that it made for this life."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    status, text = ask(connection, "GET", question)
    return text if status == 200 else ""


def _answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
