"""One child process with a log, a time limit and an end that takes its own children along."""

import os
import signal
import subprocess

GRACE_S = 10


def run(argv, log, limit_s, env=None, append=False):
    """Runs argv, output to log. Returns the exit status; 124 when the time was over."""
    with open(log, "ab" if append else "wb") as out:
        out.write(f"$ {' '.join(map(str, argv))}\n".encode())
        out.flush()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True,
                                 env={**clean_environment(), **(env or {})})
        try:
            return child.wait(limit_s)
        except subprocess.TimeoutExpired:
            out.write(f"\nstopped after {limit_s} s\n".encode())
            return 124
        finally:
            _end(child)


def clean_environment():
    """Without the job server of a make around us: our makes have their own."""
    dropped = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    return {k: v for k, v in os.environ.items() if k not in dropped}


def _end(child):
    """Asks first: a test of the lab must be able to take its namespaces down."""
    if child.poll() is None:
        _signal(child, signal.SIGTERM)
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
    _signal(child, signal.SIGKILL)
    child.wait()


def _signal(child, number):
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        pass
