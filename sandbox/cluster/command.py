"""The command line: subcommands, and errors told in one line."""

import argparse
import os
import sys

from . import faults, status
from .binaries import BINARIES, Binaries
from .cluster import Cluster
from .down import down
from .failure import SandboxError
from .imagebuild import ImageBuilder
from .imageload import load
from .images import IMAGES, full_name
from .layout import Layout
from .packages import BUILDING, RUNNING, install, require_root, require_space, require_system
from .progress import Progress
from .seed import Seed
from .up import up

_COMPONENT = f"component: {faults.NAMES}"


def main(arguments):
    """Runs one subcommand and returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    if arguments[:1] == ["kubectl"]:
        # Before any parsing: every further word is kubectl's.
        return _told(lambda: _kubectl(Layout.from_environment(), arguments[1:]))
    options = parser().parse_args(arguments)
    return _told(lambda: options.act(Layout.from_environment(), options, Progress()))


def parser():
    """Describes the command line."""
    top = argparse.ArgumentParser(prog="sandbox", description="A real Kubernetes cluster on this machine.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, act, text):
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(act=act)
        return added

    command("build", _build, "compile the programs and build the images the cache lacks").add_argument(
        "images", nargs="*", metavar="IMAGE", help="build just these, such as wesago or postgres:15"
    )
    upper = command("up", _up, "bring the cluster up and wait until it answers; only what does not run is started")
    shape = upper.add_mutually_exclusive_group()
    shape.add_argument("--nodes", type=_positive, metavar="N", help="real nodes (default: as before, else 1)")
    shape.add_argument(
        "--control-plane-only", action="store_true", help="etcd, API server and controllers without any node"
    )
    upper.add_argument("--kwok", type=_positive, metavar="N", help="also N fake nodes whose pods only pretend to run")
    command("load", _load, "put images into every node").add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="a name of the table, an archive file, or a name in this machine's buildah storage",
    )
    command("status", _status, "show what runs and what answers; exit code 1 when something does not").add_argument(
        "--json", action="store_true", help="as JSON"
    )
    logs = command("logs", _logs, "show the log of a component")
    logs.add_argument("component", nargs="+", help=_COMPONENT)
    logs.add_argument("--follow", "-f", action="store_true", help="go on as it grows")
    command("kill", _kill, "end a component with SIGKILL").add_argument("component", nargs="+", help=_COMPONENT)
    command("restart", _restart, "end a component gracefully if it runs, and start it").add_argument(
        "component", nargs="+", help=_COMPONENT
    )
    command("kubectl", None, "kubectl as the administrator of the cluster; every further word is kubectl's")
    command("down", _down, "end everything and leave nothing but the cache").add_argument(
        "--force", action="store_true", help="also when the cluster belongs to another checkout"
    )
    return top


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _told(act):
    """Runs a command; a failure becomes one line on standard error."""
    try:
        return act() or 0
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        what = error.filename or "a file of the cluster"
        print(f"error: {what} may not be read or written: {error.strerror}; run as root", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted; `sandbox/sandbox up` goes on from here, `sandbox/sandbox down` removes everything",
            file=sys.stderr,
        )
        return 130


def _build(layout, options, progress):
    require_system()
    require_root()
    require_space(layout.cache, 12)
    install(BUILDING, progress)
    binaries = Binaries(layout, progress)
    images = ImageBuilder(layout, binaries, progress)
    wanted = [_image(name) for name in options.images] or list(IMAGES.values())
    if not options.images:
        for name in BINARIES:
            binaries.build(name)
    for image in wanted:
        if images.present(image):
            images.build(image)
        else:
            progress.say(f"left out {image.name}: this checkout has no {image.containerfile}")
    if not options.images:
        install(RUNNING, progress)
        Seed(layout, images, progress).ensure()
    progress.say(f"built; the cache is {layout.cache}")


def _image(name):
    image = IMAGES.get(full_name(name))
    if not image:
        known = ", ".join(full.rsplit("/", 1)[1] for full in IMAGES)
        raise SandboxError(f"no image `{name}` is known here; known: {known}")
    return image


def _up(layout, options, progress):
    up(layout, progress, 0 if options.control_plane_only else options.nodes, options.kwok)


def _load(layout, options, progress):
    load(layout, progress, options.images)


def _status(layout, options, progress):
    found = status.collect(layout, progress)
    print(status.dump(found) if options.json else status.text(found))
    return 0 if found.get("healthy") else 1


def _logs(layout, options, progress):
    log = faults.log_file(layout, progress, options.component)
    if options.follow:
        faults.follow(log)
    sys.stdout.write(log.read_text(errors="replace"))


def _kill(layout, options, progress):
    faults.kill(layout, progress, options.component)


def _restart(layout, options, progress):
    faults.restart(layout, progress, options.component)


def _down(layout, options, progress):
    down(layout, progress, options.force)


def _kubectl(layout, arguments):
    cluster = Cluster(layout, Progress())
    cluster.require_up()
    kubeconfig = layout.state / "kubeconfig" / "admin"
    sys.stdout.flush()
    flags = [f"--kubeconfig={kubeconfig}", f"--cache-dir={layout.state / 'kubectl-cache'}"]
    os.execv(cluster.kube, [str(cluster.kube), "kubectl", *flags, *arguments])
