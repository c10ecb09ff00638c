"""The error a user reads: one line naming the thing, the cause and the next step."""


class SandboxError(Exception):
    """A failure that is told in one line, without a traceback."""
