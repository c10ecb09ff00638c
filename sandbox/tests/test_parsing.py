"""Small parsers and renderers: names, versions, manifests, archives, the command line."""

import contextlib
import io
import json
import struct
import tempfile
import unittest
from pathlib import Path

from cluster import addons, faults, nodefiles
from cluster.cgroups import hierarchies
from cluster.checks import dns_question
from cluster.command import parser
from cluster.failure import SandboxError
from cluster.imageload import names_in
from cluster.images import IMAGES, full_name
from cluster.layout import Layout
from cluster.packages import parse_go_version


class Components(unittest.TestCase):
    def test_control_plane_components_have_no_node(self):
        self.assertEqual(faults.parse(["etcd"]), ("etcd", None))
        with self.assertRaises(SandboxError):
            faults.parse(["etcd@node2"])

    def test_node_components_default_to_the_first_node(self):
        self.assertEqual(faults.parse(["kubelet"]), ("kubelet", "node1"))
        self.assertEqual(faults.parse(["kubelet@node2"]), ("kubelet", "node2"))

    def test_a_whole_node(self):
        self.assertEqual(faults.parse(["node", "node2"]), ("node", "node2"))

    def test_an_unknown_one_is_told_the_known_ones(self):
        with self.assertRaisesRegex(SandboxError, "no component `api`; there are etcd, apiserver"):
            faults.parse(["api"])


class Images(unittest.TestCase):
    def test_short_names(self):
        self.assertEqual(full_name("wesago"), "localhost/sandbox/wesago:1")
        self.assertEqual(full_name("postgres:15"), "localhost/sandbox/postgres:15")
        self.assertEqual(full_name("example.test/library/x:1"), "example.test/library/x:1")

    def test_a_wrong_tag_is_not_completed(self):
        self.assertEqual(full_name("postgres:16"), "postgres:16")

    def test_every_parent_is_in_the_table(self):
        for image in IMAGES.values():
            for parent in image.parents.values():
                self.assertIn(parent, IMAGES)

    def test_names_in_a_docker_archive(self):
        self.assertEqual(names_in([{"RepoTags": ["a/b:1"]}, {"RepoTags": None}]), ["a/b:1"])

    def test_names_in_an_oci_archive(self):
        index = {
            "manifests": [
                {"annotations": {"org.opencontainers.image.ref.name": "a/b:1"}},
                {"annotations": {"org.opencontainers.image.ref.name": "1"}},
            ]
        }
        self.assertEqual(names_in(index), ["a/b:1"])


class Versions(unittest.TestCase):
    def test_go_versions(self):
        self.assertEqual(parse_go_version("go1.26.8"), (1, 26))
        self.assertEqual(parse_go_version("go1.9"), (1, 9))
        self.assertIsNone(parse_go_version("devel +abc"))


class Folders(unittest.TestCase):
    def test_defaults(self):
        layout = Layout.from_environment({"HOME": "/home/somebody"})
        self.assertEqual(str(layout.cache), "/home/somebody/.cache/wesago-sandbox")
        self.assertEqual(str(layout.state), "/var/lib/wesago-sandbox")
        self.assertEqual(layout.groups.name, "wesago-sandbox")

    def test_another_state_folder_has_other_names_everywhere(self):
        one = Layout.from_environment({"WESAGO_SANDBOX_STATE": "/var/lib/one"})
        other = Layout.from_environment({"WESAGO_SANDBOX_STATE": "/var/lib/other"})
        self.assertNotEqual(one.tag, other.tag)
        self.assertNotEqual(one.groups.name, other.groups.name)


class Manifests(unittest.TestCase):
    def test_no_place_is_left_unfilled(self):
        layout = Layout.from_environment({})
        for files in (addons.CLASSES, addons.SERVICES):
            self.assertNotRegex(addons.render(layout, files, lambda image: "d"), "@[A-Z_]+@")

    def test_the_node_paths_are_json(self):
        text = addons.render(Layout.from_environment({}), addons.SERVICES, lambda image: "d")
        line = next(line for line in text.splitlines() if "config.json:" in line)
        paths = json.loads(line.partition("'")[2].rstrip("'"))["nodePathMap"]
        self.assertEqual(paths[1], {"node": "node2", "paths": ["/var/lib/wesago-sandbox/nodes/node2/volumes"]})

    def test_the_network_is_json_with_the_node_s_range(self):
        written = json.loads(nodefiles.network("sandbox", "node2", Path("/state/nodes/node2")))
        self.assertEqual(written["plugins"][0]["ipam"]["ranges"], [[{"subnet": "198.18.16.0/20"}]])


class Questions(unittest.TestCase):
    def test_a_dns_question(self):
        packet = dns_question("a.bc")
        self.assertEqual(packet[12:], b"\x01a\x02bc\x00" + struct.pack(">2H", 1, 1))


class ControlGroupMounts(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            return [(str(point), kind) for point, kind, _ in hierarchies(file.name)]

    def test_version_1(self):
        mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n"
        self.assertEqual(self.read(mounts), [("/sys/fs/cgroup/pids", "cgroup")])

    def test_version_2(self):
        self.assertEqual(self.read("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"), [("/sys/fs/cgroup", "cgroup2")])


class CommandLine(unittest.TestCase):
    def refused(self, *words):
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as raised:
            parser().parse_args(words)
        return raised.exception.code

    def test_nodes_and_control_plane_only_exclude_each_other(self):
        self.assertEqual(self.refused("up", "--nodes", "2", "--control-plane-only"), 2)

    def test_a_cluster_of_no_nodes_is_asked_for_by_name(self):
        self.assertEqual(self.refused("up", "--nodes", "0"), 2)

    def test_load_needs_an_image(self):
        self.assertEqual(self.refused("load"), 2)
