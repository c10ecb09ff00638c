"""Building the images the cache lacks, with buildah in a storage of its own in the cache."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from .buildlock import building
from .content import content_hash
from .failure import SandboxError
from .images import IMAGES
from .tools import run, run_logged

_RECIPE = "image 2"
"""Changes when the way of building changes."""
_STEPS_KEPT = 24
_CERTIFICATES = Path("/etc/ssl/certs")


class ImageBuilder:
    """Makes image archives named after the hash of everything that went into them."""

    def __init__(self, layout, binaries, progress):
        self._layout = layout
        self._binaries = binaries
        self._progress = progress
        self._storage = layout.cache / "containers"

    def present(self, image):
        """Tells whether the checkout has what the image is made from."""
        return not image.optional or (self._layout.checkout / image.containerfile).exists()

    def digest(self, image):
        """Returns the hash of the image's inputs, its parents' included."""
        checkout = self._layout.checkout
        inputs = [_RECIPE, image.name, checkout / image.containerfile]
        if image.context:
            inputs.append(checkout / image.context)
        inputs += [self._binaries.path(name).name for name in image.binaries]
        inputs += [f"{key}={value}" for key, value in sorted(image.arguments.items())]
        inputs += [f"{key}={self.digest(IMAGES[parent])}" for key, parent in sorted(image.parents.items())]
        return content_hash(*inputs)

    def archive(self, image):
        """Returns where the archive with the present inputs is, or would be."""
        return self._layout.images / f"{_file_name(image.name)}-{self.digest(image)}.tar"

    def need(self, image):
        """Returns the archive; an error when it was never built."""
        archive = self.archive(image)
        if not archive.exists():
            raise SandboxError(f"the image {image.name} is not built; run `sandbox/sandbox build` first")
        return archive

    def build(self, image):
        """Builds the image unless the cache has it, parents first; returns the archive."""
        archive = self.archive(image)
        if not archive.exists():
            with building(self._layout, self._progress):
                if not archive.exists():
                    self._make(image, archive)
        return archive

    def _make(self, image, archive):
        for parent in image.parents.values():
            self.build(IMAGES[parent])
            self._into_storage(IMAGES[parent])
        for name in image.binaries:
            self._binaries.build(name)
        log = self._layout.cache / "logs" / f"{_file_name(image.name)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        self._progress.say(f"building image {image.name} (log: {log})")
        self._layout.images.mkdir(parents=True, exist_ok=True)
        earlier = self.in_storage(image.name)
        with tempfile.TemporaryDirectory(prefix="context-", dir=self._layout.cache) as made:
            context = self._context(image, Path(made), log)
            self._buildah_build(image, context, log)
        self._store(image, archive)
        if earlier and earlier != self.in_storage(image.name):
            self._buildah("rmi", earlier, check=False)  # refused while another image stands on it
        self._bound_storage()
        self._progress.say(f"built image {image.name}: {archive.stat().st_size / 2**20:.0f} MiB")

    def in_storage(self, name):
        """Returns the id of an image in the cache's storage, or None."""
        found = self._buildah("images", "--quiet", "--no-trunc", name, check=False)
        return found.stdout.split()[0] if found.returncode == 0 and found.stdout.strip() else None

    def _bound_storage(self):
        """Drops the steps of earlier builds when there are many; the next build makes its own anew."""
        steps = self._buildah("images", "--quiet", "--filter", "dangling=true").stdout.split()
        if len(steps) > _STEPS_KEPT:
            self._buildah("rmi", "--prune", "--force", check=False)

    def _context(self, image, made, log):
        if image.context:
            return self._layout.checkout / image.context
        for name in image.binaries:
            shutil.copy(self._binaries.need(name), made / name)
        if image.bootstrap:
            suite = image.arguments["SUITE"]
            options = ["--mode=root", "--variant=minbase", "--include=ca-certificates"]
            # Nobody reads manuals in a container; the setting stays in the image for later packages.
            options += [
                f"--dpkgopt=path-exclude=/usr/share/{folder}/*"
                for folder in ("doc", "man", "info", "locale", "lintian")
            ]
            options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
            run_logged(["mmdebstrap", *options, suite, made / "base.tar"], log)
        return made

    def _buildah_build(self, image, context, log):
        command = ["buildah", *self._arguments(), "bud", "--isolation", "chroot", "--format", "docker"]
        command += ["--layers"] if image.context else []
        if image.registries and _CERTIFICATES.is_dir():
            # A machine may reach the package registries through an authority of its own.
            command += ["--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
        for key, value in {**image.arguments, **image.parents}.items():
            command += ["--build-arg", f"{key}={value}"]
        command += ["--tag", image.name, "--file", self._layout.checkout / image.containerfile, context]
        run_logged(command, log, environment=_environment())

    def _store(self, image, archive):
        partial = archive.with_name(archive.name + ".partial")
        partial.unlink(missing_ok=True)
        self.push(self._arguments(), image.name, partial)
        partial.replace(archive)
        stamp = self._layout.images / f"{_file_name(image.name)}.stored"
        stamp.write_text(archive.name)
        self._forget_old(image, archive)

    def _into_storage(self, image):
        """Puts a parent from its archive into the storage, when that holds none or another."""
        archive = self.archive(image)
        stamp = self._layout.images / f"{_file_name(image.name)}.stored"
        if self.in_storage(image.name) and stamp.exists() and stamp.read_text() == archive.name:
            return
        self._buildah("pull", "--quiet", f"docker-archive:{archive}")
        stamp.write_text(archive.name)

    def _forget_old(self, image, current):
        """Keeps the current archive and the one before it: the cache is shared by checkouts."""
        pattern = re.escape(_file_name(image.name)) + r"-[0-9a-f]{16}\.tar"
        others = [
            path for path in self._layout.images.iterdir() if re.fullmatch(pattern, path.name) and path != current
        ]
        others.sort(key=lambda path: path.stat().st_mtime)
        for path in others[:-1]:
            path.unlink()

    def _arguments(self):
        return ["--root", str(self._storage), "--runroot", str(self._storage) + "-run"]

    def _buildah(self, *arguments, check=True):
        return run("buildah", *self._arguments(), *arguments, check=check, environment=_environment())

    @staticmethod
    def push(storage, name, archive):
        run(
            "buildah", *storage, "push", "--quiet", name, f"docker-archive:{archive}:{name}", environment=_environment()
        )


def export_from_host(name, archive):
    """Writes an image of the host's own buildah storage to an archive; False when it has none."""
    found = run("buildah", "images", "--quiet", "--no-trunc", name, check=False, environment=_environment())
    if found.returncode != 0 or not found.stdout.strip():
        return False
    ImageBuilder.push([], name, archive)
    return True


def _environment():
    return {"STORAGE_DRIVER": "overlay", **os.environ}


def _file_name(image_name):
    return re.sub(r"[^a-z0-9.]+", "-", image_name.removeprefix("localhost/sandbox/"))
