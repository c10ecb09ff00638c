"""The command line: subcommands, and errors told in one line."""

import argparse
import sys

from .binaries import BINARIES, Binaries
from .failure import SandboxError
from .imagebuild import ImageBuilder
from .images import IMAGES, full_name
from .layout import Layout
from .packages import BUILDING, install, require_root, require_space, require_system
from .progress import Progress
from .up import up


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


def _up(layout, options, progress):
    up(layout, progress, 0 if options.control_plane_only else options.nodes, options.kwok)


def _image(name):
    image = IMAGES.get(full_name(name))
    if not image:
        known = ", ".join(full.rsplit("/", 1)[1] for full in IMAGES)
        raise SandboxError(f"no image `{name}` is known here; known: {known}")
    return image


def main(arguments):
    """Runs one subcommand and returns the exit code."""
    parser = argparse.ArgumentParser(prog="sandbox")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build")
    build.add_argument("images", nargs="*")
    build.set_defaults(act=_build)
    upper = commands.add_parser("up")
    upper.add_argument("--nodes", type=int)
    upper.add_argument("--control-plane-only", action="store_true")
    upper.add_argument("--kwok", type=int)
    upper.set_defaults(act=_up)
    options = parser.parse_args(arguments)
    progress = Progress()
    try:
        options.act(Layout.from_environment(), options, progress)
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
