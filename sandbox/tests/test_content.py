"""Content hashes: what must change them and what must not."""

import os
import tempfile
import unittest
from pathlib import Path

from cluster.content import content_hash


class ContentHash(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        (self.folder / "inner").mkdir()
        (self.folder / "inner" / "file").write_text("content")

    def test_same_inputs_give_the_same_hash(self):
        self.assertEqual(content_hash("a", self.folder), content_hash("a", self.folder))

    def test_a_changed_byte_changes_it(self):
        before = content_hash(self.folder)
        (self.folder / "inner" / "file").write_text("Content")
        self.assertNotEqual(before, content_hash(self.folder))

    def test_a_renamed_file_changes_it(self):
        before = content_hash(self.folder)
        (self.folder / "inner" / "file").rename(self.folder / "inner" / "other")
        self.assertNotEqual(before, content_hash(self.folder))

    def test_the_executable_bit_changes_it(self):
        before = content_hash(self.folder)
        (self.folder / "inner" / "file").chmod(0o755)
        self.assertNotEqual(before, content_hash(self.folder))

    def test_times_do_not_change_it(self):
        before = content_hash(self.folder)
        os.utime(self.folder / "inner" / "file", (1, 1))
        self.assertEqual(before, content_hash(self.folder))

    def test_what_a_build_leaves_behind_does_not_change_it(self):
        before = content_hash(self.folder)
        (self.folder / "node_modules").mkdir()
        (self.folder / "node_modules" / "x.js").write_text("x")
        (self.folder / "__pycache__").mkdir()
        (self.folder / "__pycache__" / "x.pyc").write_text("x")
        self.assertEqual(before, content_hash(self.folder))

    def test_inputs_are_not_merged(self):
        self.assertNotEqual(content_hash("ab", "c"), content_hash("a", "bc"))

    def test_a_link_is_hashed_by_its_target_name(self):
        (self.folder / "link").symlink_to("one")
        before = content_hash(self.folder)
        (self.folder / "link").unlink()
        (self.folder / "link").symlink_to("two")
        self.assertNotEqual(before, content_hash(self.folder))
