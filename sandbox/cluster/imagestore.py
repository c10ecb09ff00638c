"""A containerd with its images: starting it, importing archives, knowing what was imported."""

import json

from . import nodefiles
from .daemons import Daemon
from .failure import SandboxError
from .tools import run
from .wait import until


class ImageStore:
    """One containerd whose whole state is in one folder."""

    def __init__(self, name, folder, groups, namespace=None):
        self.name = name
        self.folder = folder
        self._namespace = namespace
        log = folder / "logs" / "containerd.log"
        self.containerd = Daemon(f"containerd of {name}", groups, name, folder / "run" / "containerd.json", log)
        self._images_file = folder / "images.json"

    def write_settings(self):
        (self.folder / "cni").mkdir(parents=True, exist_ok=True)
        (self.folder / "containerd.toml").write_text(nodefiles.containerd(self.folder))

    def start_containerd(self):
        """Starts containerd and waits until it answers."""
        if not self.containerd.pid():
            self.containerd.start(
                ["containerd", "--config", self.folder / "containerd.toml"], namespace=self._namespace
            )
        until(
            self.containerd_answers,
            30,
            f"the first answer of containerd on {self.name}",
            f"look at {self.containerd.log}",
            still_possible=self.containerd.require_alive,
        )

    def containerd_answers(self):
        return (self.folder / "containerd.sock").exists() and self._ctr("version", check=False).returncode == 0

    def load(self, name, archive, digest):
        """Imports an image archive unless the node has the image with this digest."""
        loaded = self.loaded()
        if loaded.get(name) == digest and name in self.image_names():
            return False
        # Unpacking needs the whole archive once; the names in it are kept as they are.
        self._ctr("images", "import", archive, seconds=300)
        if name not in self.image_names():
            raise SandboxError(f"{archive} holds no image named {name}; name the image as the manifests do")
        loaded[name] = digest
        self._write_loaded(loaded)
        return True

    def loaded(self):
        """Returns the digests of the images imported so far."""
        try:
            return json.loads(self._images_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def image_names(self):
        return set(self._ctr("images", "list", "--quiet").stdout.split())

    def forget(self, name):
        """Removes an image that no node shall have any more."""
        self._ctr("images", "remove", name, check=False)  # not there is as good
        loaded = self.loaded()
        loaded.pop(name, None)
        self._write_loaded(loaded)

    def prune(self):
        """Removes what earlier images under the same names have left, and its layers."""
        listed = [line.split() for line in self._ctr("images", "list").stdout.splitlines()[1:]]
        named = {words[2] for words in listed if not words[0].startswith("sha256:")}
        old = [words[0] for words in listed if words[0].startswith("sha256:") and words[2] not in named]
        if old:
            self._ctr("images", "remove", "--sync", *old)

    def _write_loaded(self, loaded):
        partial = self._images_file.with_suffix(".partial")
        partial.write_text(json.dumps(loaded, indent=1, sort_keys=True))
        partial.replace(self._images_file)

    def _ctr(self, *arguments, check=True, seconds=60):
        address = ("--address", self.folder / "containerd.sock")
        return run("ctr", *address, "--namespace", "k8s.io", *arguments, check=check, seconds=seconds)
