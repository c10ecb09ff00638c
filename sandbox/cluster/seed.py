"""The seed: a containerd store with every image already unpacked, from which nodes grow.

Importing and unpacking takes most of a node's start. So it is done once per set of images, in the
cache, and a new node gets the result as hard links: layers and blobs are only ever read, what a
container writes goes to a folder of its own. Only the databases are copied.
"""

import os
import re
import shutil
from contextlib import contextmanager

from .buildlock import building
from .cgroups import ControlGroups
from .content import content_hash
from .images import IMAGES
from .imagestore import ImageStore
from .leftovers import unmount_below
from .tools import run

_DATABASES = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db")


_IDENTITY = "io.containerd.grpc.v1.introspection/uuid"
"""Names one containerd; each makes its own."""


class Seed:
    """The seeds in the cache; the newest is the start for the next."""

    def __init__(self, layout, images, progress):
        self._folder = layout.cache / "seeds"
        self._layout = layout
        self._images = images
        self._progress = progress

    def wanted(self):
        """Returns the digests of the images every node has, by name."""
        present = [image for image in IMAGES.values() if image.node and self._images.present(image)]
        return {image.name: self._images.digest(image) for image in present}

    def ensure(self):
        """Returns the seed for the present images; makes it when the cache has none."""
        wanted = self.wanted()
        version = run("containerd", "--version").stdout.split()[2]
        seed = self._folder / content_hash(version, *(f"{name} {digest}" for name, digest in sorted(wanted.items())))
        if not seed.exists():
            with building(self._layout, self._progress):
                if not seed.exists():
                    self._make(seed, wanted)
        return seed

    def _make(self, seed, wanted):
        archives = {name: self._images.build(IMAGES[name]) for name in wanted}
        self._progress.say("unpacking the images once for all nodes")
        partial = seed.with_name("partial")
        unmount_below(partial)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        earlier = self._newest()
        if earlier:
            plant(earlier, partial)
        with _containerd(partial) as store:
            for name in set(store.loaded()) - set(wanted):
                store.forget(name)
            for name, archive in archives.items():
                if store.load(name, archive, wanted[name]):
                    self._progress.say(f"unpacked {name}")
            store.prune()
        for leftover in partial.iterdir():
            if leftover.name not in _KEPT:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        partial.replace(seed)
        if earlier:
            shutil.rmtree(earlier)

    def _newest(self):
        seeds = [path for path in self._folder.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name)]
        return max(seeds, key=lambda path: path.stat().st_mtime, default=None)


_KEPT = ("containerd", "images.json")


def plant(seed, folder):
    """Gives a node without a store of its own that of the seed."""
    store = folder / "containerd" / "root"
    if store.exists():
        return False
    # A name of its own: the copy of an `up` that was killed may still go on under another one.
    partial = folder / "containerd" / f"partial-{os.getpid()}"
    for earlier in partial.parent.glob("partial-*"):
        shutil.rmtree(earlier, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    source = seed / "containerd" / "root"
    if run("cp", "--archive", "--link", source, partial, check=False).returncode == 0:
        for database in _DATABASES:
            (partial / database).unlink()
            shutil.copy2(source / database, partial / database)
    else:
        # The cache is on another file system.
        shutil.rmtree(partial, ignore_errors=True)
        run("cp", "--archive", source, partial)
    (partial / _IDENTITY).unlink(missing_ok=True)
    shutil.copy2(seed / "images.json", folder / "images.json")
    partial.replace(store)
    return True


@contextmanager
def _containerd(folder):
    """Runs a containerd of its own on the folder for as long as images are put into it."""
    groups = ControlGroups("wesago-seed")
    store = ImageStore("the seed", folder, groups)
    store.write_settings()
    store.start_containerd()
    try:
        yield store
    finally:
        store.containerd.stop()
        groups.remove()
