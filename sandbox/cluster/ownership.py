"""One state folder, one owner: the lock of a running command and the checkout it belongs to."""

import contextlib
import fcntl
import os

from .failure import SandboxError


@contextlib.contextmanager
def exclusive(layout):
    """Holds the state folder for one command; a second one is told so."""
    layout.state.mkdir(parents=True, exist_ok=True)
    layout.state.chmod(0o755)
    handle = os.open(layout.state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SandboxError(
                f"another sandbox command is working on {layout.state}; wait for its end and try again"
            ) from error
        yield
    finally:
        os.close(handle)


def claim(layout):
    """Writes down which checkout the cluster belongs to; refuses one that is another's."""
    require_ours(layout)
    layout.owner.write_text(f"{layout.checkout}\n")


def require_ours(layout):
    """Refuses to work on the cluster of another checkout."""
    owner = owner_of(layout)
    if owner and owner != str(layout.checkout):
        raise SandboxError(
            f"the cluster in {layout.state} belongs to the checkout {owner}; "
            f"run `{owner}/sandbox/sandbox down` there, or `sandbox/sandbox down --force` here, or set WESAGO_SANDBOX_STATE"
        )


def owner_of(layout):
    try:
        return layout.owner.read_text().strip()
    except FileNotFoundError:
        return None
