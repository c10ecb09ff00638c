"""The probe addresses of a worker pod, over HTTP. Needs Python only: neither Django nor Celery.

    python3 -m unittest discover -s images/wesago/tests
"""

import importlib.util
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from unittest import mock

MODULE = Path(__file__).parents[1] / "project/wesago/worker_health.py"
_spec = importlib.util.spec_from_file_location("worker_health", MODULE)
worker_health = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker_health)


class ProbesTest(unittest.TestCase):
    def setUp(self):
        self.heartbeat = worker_health.Heartbeat()
        self.server = self.heartbeat.serve(port=0)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.now = 1000.0
        clock = mock.patch.object(worker_health.time, "monotonic", lambda: self.now)
        clock.start()
        self.addCleanup(clock.stop)

    def status(self, path):
        address = f"http://127.0.0.1:{self.server.server_address[1]}{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(address, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def test_a_worker_that_has_not_begun_is_not_ready(self):
        self.assertEqual(self.status("/-/ready"), 503)

    def test_a_fresh_heartbeat_is_ready_and_alive(self):
        self.heartbeat.beat()
        self.assertEqual(self.status("/-/ready"), 200)
        self.assertEqual(self.status("/-/live"), 200)

    def test_a_minute_without_the_queue_is_not_ready_but_alive(self):
        self.heartbeat.beat()
        self.now += 60
        self.assertEqual(self.status("/-/ready"), 503)
        self.assertEqual(self.status("/-/live"), 200)

    def test_a_main_loop_that_hangs_is_not_alive(self):
        self.heartbeat.beat()
        self.now += 301
        self.assertEqual(self.status("/-/live"), 503)

    def test_a_worker_that_stops_is_not_ready(self):
        self.heartbeat.beat()
        self.heartbeat.stop()
        self.assertEqual(self.status("/-/ready"), 503)

    def test_there_is_nothing_else(self):
        self.assertEqual(self.status("/"), 404)


if __name__ == "__main__":
    unittest.main()
