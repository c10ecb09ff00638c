"""Tests of images/website/publish against real folders: no cluster, no image, no mock of the script.

Run: python3 -m unittest discover -s images/website/tests
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

PUBLISH = pathlib.Path(__file__).resolve().parents[1] / "publish"
NOBODY = 65534
WAIT_SECONDS = 60
# every outside command the script starts; the crash test kills it in front of each of them
COMMANDS = ["basename", "chmod", "cp", "cut", "find", "flock", "ln", "mkdir", "mv", "readlink", "rm", "sha256sum", "sort", "sync", "wc"]
CRASH_SHIM = """#!/bin/sh
# counts the commands of one run and kills the whole run in front of the one named by CRASH_AT
exec 8>>"$CRASH_COUNTER"; /usr/bin/flock 8
printf x >&8
[ "$(/usr/bin/stat -c %s "$CRASH_COUNTER")" -ne "$CRASH_AT" ] || kill -9 0
exec 8>&-
PATH=${PATH#*:}
exec "${0##*/}" "$@"
"""


class PublishTest(unittest.TestCase):
    """One volume and two versions of a site, fresh for each test."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="publish-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        self.volume = self.folder / "volume"
        self.volume.mkdir(mode=0o777)
        self.volume.chmod(0o777)
        self.first = self.make_site("first", pages=30)
        self.second = self.make_site("second", pages=40)
        self.third = self.make_site("third", pages=5)

    def make_site(self, name, pages):
        site = self.folder / name
        (site / "assets").mkdir(parents=True)
        (site / "index.html").write_text(f"<h1>{name}</h1>")
        for page in range(pages):
            (site / "assets" / f"page {page}.js").write_text(f"{name} {page}\n" * 50)
        return site

    def command(self, site):
        return ["sh", str(PUBLISH), str(self.volume), str(site)]

    def publish(self, site, **options):
        done = subprocess.run(self.command(site), capture_output=True, text=True, timeout=WAIT_SECONDS, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def releases(self):
        return sorted(os.listdir(self.volume / "releases"))

    def assert_serves(self, link, site):
        compared = subprocess.run(["diff", "-r", str(site), f"{self.volume}/{link}/"], capture_output=True, text=True)
        self.assertEqual(compared.returncode, 0, compared.stdout + compared.stderr)

    def assert_tidy(self, count):
        """Nothing but finished releases and the links to them."""
        self.assertEqual(len(self.releases()), count, self.releases())
        self.assertEqual([name for name in os.listdir(self.volume) if name.startswith(".")], [])
        self.assertFalse((self.volume / "releases" / ".new").exists())

    def test_first_publish_serves_every_file(self):
        said = self.publish(self.first)
        self.assert_serves("current", self.first)
        self.assertIn("31 files", said)
        self.assertEqual(os.readlink(self.volume / "current"), f"releases/{self.releases()[0]}")
        self.assertFalse(os.path.lexists(self.volume / "previous"))
        self.assert_tidy(1)

    def test_second_publish_writes_nothing(self):
        self.publish(self.first)
        self.publish(self.second)

        def everything():
            paths = [self.volume, *self.volume.rglob("*")]
            return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths if path.name not in ("volume", "releases")}

        before = everything()
        self.publish(self.second)
        self.assertEqual(everything(), before)
        self.assert_serves("previous", self.first)

    def test_update_keeps_the_release_before_and_removes_older_ones(self):
        for site in (self.first, self.second, self.third):
            self.publish(site)
        self.assert_serves("current", self.third)
        self.assert_serves("previous", self.second)
        self.assert_tidy(2)

    def test_going_back_serves_the_release_before_again(self):
        for site in (self.first, self.second, self.first):
            self.publish(site)
        self.assert_serves("current", self.first)
        self.assert_serves("previous", self.second)
        self.assert_tidy(2)

    def test_a_reader_never_finds_a_gap(self):
        self.publish(self.first)
        swapped = threading.Event()
        missing, reads = [], 0

        def swap():
            try:
                for round_number in range(10):
                    self.publish(self.second if round_number % 2 == 0 else self.first)
            finally:
                swapped.set()

        swapping = threading.Thread(target=swap)
        swapping.start()
        while not swapped.is_set():
            reads += 1
            try:
                (self.volume / "current" / "index.html").read_text()
            except OSError as error:
                missing.append(error)
        swapping.join()
        self.assertEqual(missing, [])
        self.assertGreater(reads, 100)

    def test_killed_in_front_of_any_command_it_heals(self):
        shims = self.folder / "shims"
        shims.mkdir()
        for name in COMMANDS:
            (shims / name).write_text(CRASH_SHIM)
            (shims / name).chmod(0o755)
        crashes = 0
        while crashes < 200 and self.crash_once(shims, crash_at=crashes + 1):
            crashes += 1
        self.assertLess(crashes, 200, "the run never came to its end")
        self.assertGreater(crashes, 20, "the run ended before it was killed where it matters")

    def crash_once(self, shims, crash_at):
        """Kills an update in front of its command number `crash_at`; false when it had fewer commands."""
        shutil.rmtree(self.volume)
        self.volume.mkdir()
        self.publish(self.first)
        counter = self.folder / "counter"
        counter.write_bytes(b"")
        environment = {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}", "CRASH_COUNTER": str(counter), "CRASH_AT": str(crash_at)}
        run = subprocess.run(self.command(self.second), env=environment, start_new_session=True, capture_output=True, text=True, timeout=WAIT_SECONDS)
        with self.subTest(crash_at=crash_at):
            served = (self.volume / "current" / "index.html").read_text()
            self.assert_serves("current", self.first if "first" in served else self.second)
            if run.returncode == 0:
                self.assertLess(counter.stat().st_size, crash_at)
            else:
                self.assertEqual(run.returncode, -signal.SIGKILL, run.stderr)
            self.publish(self.second)
            self.assert_serves("current", self.second)
            self.assert_serves("previous", self.first)
            self.assert_tidy(2)
        return run.returncode != 0

    def test_a_damaged_release_is_made_anew(self):
        self.publish(self.first)
        (self.volume / "current" / "assets" / "page 3.js").write_text("cut off")
        self.publish(self.first)
        self.assert_serves("current", self.first)
        self.assert_tidy(1)

    def test_runs_at_once_leave_one_whole_site(self):
        sites = [self.first, self.second] * 4
        runs = [subprocess.Popen(self.command(site), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for site in sites]
        for run in runs:
            _, complaint = run.communicate(timeout=WAIT_SECONDS)
            self.assertEqual(run.returncode, 0, complaint)
        served = (self.volume / "current" / "index.html").read_text()
        current, previous = (self.first, self.second) if "first" in served else (self.second, self.first)
        self.assert_serves("current", current)
        self.assert_serves("previous", previous)
        self.assert_tidy(2)

    def test_an_ordinary_user_can_publish_and_others_can_read(self):
        if os.getuid() == 0:
            self.publish(self.first, user=NOBODY, group=NOBODY, extra_groups=[])
        else:
            self.publish(self.first)
        for path in (self.volume / "releases").rglob("*"):
            wanted = 0o555 if path.is_dir() else 0o444
            self.assertEqual(path.stat().st_mode & wanted, wanted, path)

    def test_a_missing_volume_or_site_is_told(self):
        cases = [(self.folder / "nowhere", self.first, "mount the website's volume"), (self.volume, self.volume, "no index.html")]
        for target, site, message in cases:
            done = subprocess.run(["sh", str(PUBLISH), str(target), str(site)], capture_output=True, text=True, timeout=WAIT_SECONDS)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)
        self.assertEqual(os.listdir(self.volume), [])


if __name__ == "__main__":
    unittest.main()
