"""Content hashes: a build product is named after everything that went into it."""

import hashlib
import os


def content_hash(*inputs):
    """Returns a short hash of strings and of files and folders given as paths.

    Strings and files are framed with their kind and length, so that no two different
    lists of inputs give the same bytes. Of a file the relative name, the bytes and the
    executable bit count; its times do not.
    """
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            _frame(digest, "text", item.encode())
        elif item.is_dir():
            for path in files_below(item):
                _file(digest, path, path.relative_to(item).as_posix())
        else:
            _file(digest, item, item.name)
    return digest.hexdigest()[:16]


def files_below(folder):
    """Lists the files below `folder` in a fixed order, without what a build leaves behind."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted(names):
            if not name.endswith(".pyc"):
                found.append(type(folder)(root) / name)
    return found


LEFT_OUT = {"__pycache__", "node_modules", ".git", ".docusaurus", "build"}


def _file(digest, path, name):
    _frame(digest, "name", name.encode())
    if path.is_symlink():
        _frame(digest, "link", os.readlink(path).encode())
        return
    executable = bool(path.stat().st_mode & 0o111)
    _frame(digest, "executable" if executable else "file", path.read_bytes())


def _frame(digest, kind, data):
    digest.update(f"{kind} {len(data)}\n".encode())
    digest.update(data)
