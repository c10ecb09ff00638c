"""Running programs of the host and turning their failures into one line."""

import subprocess

from .failure import SandboxError


def run(*arguments, check=True, text_input=None, environment=None, folder=None, seconds=600):
    """Runs a program and returns its completed process with captured output."""
    arguments = [str(argument) for argument in arguments]
    try:
        done = subprocess.run(
            arguments,
            input=text_input,
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise SandboxError(f"`{arguments[0]}` is missing on this machine; install it and try again") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"`{' '.join(arguments[:3])}` did not end within {seconds} s") from error
    if check and done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise SandboxError(f"`{' '.join(arguments[:4])}` failed with exit code {done.returncode}: {lines[-1]}")
    return done


def run_logged(arguments, log, environment=None, folder=None):
    """Runs a long program with its output in the file `log`; names that file when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    arguments = [str(argument) for argument in arguments]
    try:
        with open(log, "ab") as output:
            code = subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                check=False,
            ).returncode
    except FileNotFoundError as error:
        raise SandboxError(f"`{arguments[0]}` is missing on this machine; install it and try again") from error
    if code != 0:
        lines = log.read_text(errors="replace").strip().splitlines() or ["no message"]
        raise SandboxError(
            f"`{arguments[0]} {arguments[1]}` failed with exit code {code}: {lines[-1][:200]} (all of it: {log})"
        )
