"""A small client of the cluster's API: requests as the administrator, JSON in and out."""

import http.client
import json
import ssl

from .pki import ADMIN


def ask(connection, method, path, content=None, headers=None):
    """Sends one request and closes the connection; returns (status, text), status 0 when nobody answers."""
    try:
        connection.request(method, path, content, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


class Api:
    """Speaks to the API server on this machine with the administrator's certificate."""

    def __init__(self, authority, port=6443):
        self._authority = authority
        self._port = port
        self._context = None

    def request(self, method, path, body=None):
        """Returns (status, text); status 0 when the server cannot be reached."""
        if not self._context:
            self._context = ssl.create_default_context(cafile=str(self._authority.certificate))
            self._context.load_cert_chain(self._authority.certificate_of(ADMIN), self._authority.key_of(ADMIN))
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=10, context=self._context)
        content = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json", "User-Agent": "wesago-sandbox"}
        return ask(connection, method, path, content, headers)

    def get(self, path):
        """Returns the object or list, or None when it is not there or not to be had now."""
        status, text = self.request("GET", path)
        return json.loads(text) if status == 200 else None

    def ready(self):
        """Tells whether the API server says it is ready."""
        return self.request("GET", "/readyz")[0] == 200
