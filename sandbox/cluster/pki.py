"""Certificates of the cluster, made with openssl: one authority, a certificate for each identity."""

import os
from dataclasses import dataclass

from .addresses import API_ADDRESS, API_SERVICE, node_address
from .tools import run

_DAYS = "3650"


@dataclass(frozen=True)
class Identity:
    """Who a certificate is for: the file's name, the user, the groups, the names it serves."""

    file: str
    common_name: str
    organization: str = ""
    names: tuple = ()


ADMIN = Identity("admin", "sandbox-admin", "system:masters")
API_SERVER = Identity(
    "apiserver",
    "kube-apiserver",
    names=(
        "DNS:localhost",
        "DNS:kubernetes",
        "DNS:kubernetes.default",
        "DNS:kubernetes.default.svc",
        "DNS:kubernetes.default.svc.cluster.local",
        "IP:127.0.0.1",
        f"IP:{API_SERVICE}",
        f"IP:{API_ADDRESS}",
    ),
)
KUBELET_CLIENT = Identity("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
CONTROLLER_MANAGER = Identity("controller-manager", "system:kube-controller-manager")
SCHEDULER = Identity("scheduler", "system:kube-scheduler")
PROXY = Identity("proxy", "system:kube-proxy")
FAKE_NODES = Identity("kwok", "sandbox-kwok", "system:masters")
CONTROL_PLANE = (ADMIN, API_SERVER, KUBELET_CLIENT, CONTROLLER_MANAGER, SCHEDULER, PROXY)


def kubelet(node):
    """The identity of a node's kubelet, as client and as server."""
    names = (f"DNS:{node}", f"IP:{node_address(node)}", "IP:127.0.0.1")
    return Identity(f"kubelet-{node}", f"system:node:{node}", "system:nodes", names)


class Authority:
    """The certificate authority of one cluster, in a folder only root reads."""

    def __init__(self, folder):
        self._folder = folder

    @property
    def certificate(self):
        return self._folder / "ca.crt"

    @property
    def key(self):
        return self._folder / "ca.key"

    @property
    def service_account_key(self):
        """Signs and verifies the tokens of service accounts."""
        return self._folder / "service-account.key"

    def certificate_of(self, identity):
        return self._folder / f"{identity.file}.crt"

    def key_of(self, identity):
        return self._folder / f"{identity.file}.key"

    def create(self):
        """Makes the authority and the key for service accounts, unless they exist."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        if not self.certificate.exists():
            _whole(self.key, _new_key)
            subject = ["-subj", "/CN=sandbox-ca", "-days", _DAYS]
            _whole(
                self.certificate,
                lambda path: run("openssl", "req", "-x509", "-new", "-key", self.key, "-out", path, *subject),
            )
        if not self.service_account_key.exists():
            _whole(self.service_account_key, _new_key)

    def issue(self, identity):
        """Makes the key and the certificate of an identity, unless they exist."""
        certificate = self.certificate_of(identity)
        if certificate.exists():
            return
        key = self.key_of(identity)
        _whole(key, _new_key)
        organization = f"/O={identity.organization}" if identity.organization else ""
        request = run(
            "openssl", "req", "-new", "-key", key, "-subj", f"{organization}/CN={identity.common_name}"
        ).stdout
        extensions = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n"
        if identity.names:
            extensions += f"subjectAltName={','.join(identity.names)}\n"
        extensions_file = self._folder / f"{identity.file}.extensions"
        extensions_file.write_text(extensions)
        _whole(certificate, lambda path: self._sign(request, extensions_file, path))
        extensions_file.unlink()

    def _sign(self, request, extensions_file, path):
        # A random serial number needs no file that several openssl at once would fight over.
        serial = "0x" + os.urandom(16).hex()
        arguments = ["-CA", self.certificate, "-CAkey", self.key, "-set_serial", serial, "-days", _DAYS]
        run("openssl", "x509", "-req", *arguments, "-extfile", extensions_file, "-out", path, text_input=request)


def _new_key(path):
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


def _whole(path, make):
    """Makes a file beside its place and moves it there: a crash leaves no half of it."""
    partial = path.with_suffix(path.suffix + ".partial")
    make(partial)
    partial.chmod(0o600)
    partial.replace(path)
