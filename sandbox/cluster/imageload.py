"""`load`: putting images into every node, from the table, the host's buildah or an archive."""

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

from .cluster import Cluster
from .failure import SandboxError
from .imagebuild import export_from_host
from .images import IMAGES, full_name
from .ownership import exclusive, require_ours
from .packages import require_root


def load(layout, progress, wanted):
    """Loads images into every node; an image under a known tag replaces the one before."""
    require_root()
    with exclusive(layout):
        require_ours(layout)
        cluster = Cluster(layout, progress)
        cluster.require_up()
        if not cluster.nodes():
            raise SandboxError("this cluster has no node to load images into; run `sandbox/sandbox up --nodes 1`")
        with tempfile.TemporaryDirectory(prefix="load-", dir=layout.state) as scratch:
            for number, name in enumerate(wanted):
                _load(cluster, name, Path(scratch) / f"{number}.tar")


def _load(cluster, wanted, scratch):
    for name, archive, digest in _archives(cluster, wanted, scratch):
        for node in cluster.nodes():
            done = node.store.load(name, archive, digest)
            cluster.progress.say(f"{node.name}: {'loaded' if done else 'already has this'} {name}")


def _archives(cluster, wanted, scratch):
    """Returns (name, archive, digest) of what was asked for."""
    image = IMAGES.get(full_name(wanted))
    if image:
        return [(image.name, cluster.images.build(image), cluster.images.digest(image))]
    if Path(wanted).is_file():
        return [(name, Path(wanted), file_digest(Path(wanted))) for name in archive_names(Path(wanted))]
    if export_from_host(wanted, scratch):
        return [(wanted, scratch, file_digest(scratch))]
    raise SandboxError(
        f"no image `{wanted}`: not in the sandbox's table, not an archive file, not in this machine's buildah storage"
    )


def archive_names(archive):
    """Returns the image names inside a docker or OCI archive."""
    try:
        with tarfile.open(archive) as content:
            names = []
            for member in ("manifest.json", "index.json"):
                try:
                    document = json.load(content.extractfile(member))
                except KeyError:
                    continue
                names += names_in(document)
    except tarfile.TarError as error:
        raise SandboxError(f"{archive} is not an image archive: {error}") from error
    if not names:
        raise SandboxError(
            f"{archive} names no image; save it with its name, as `buildah push NAME docker-archive:FILE:NAME` does"
        )
    return sorted(set(names))


def names_in(document):
    """Reads names from the table of contents of a docker archive (a list) or an OCI one."""
    if isinstance(document, list):
        return [name for entry in document for name in entry.get("RepoTags") or []]
    names = []
    for manifest in document.get("manifests", []):
        notes = manifest.get("annotations", {})
        name = notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name", "")
        if "/" in name:
            names.append(name)
    return names


def file_digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
