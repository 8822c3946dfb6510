"""Become another program that ends when its parent ends.

Run as a script by `theta.embedded.processes`, never imported there: it needs nothing but the
standard library, so that it can start a program as an account that may not read the virtual
environment. It drops root's rights, asks the kernel for a signal at the parent's death (in this
order: a change of account would clear the request) and then becomes the program.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
"""`prctl` option: the signal this process gets when the thread that started it ends (Linux)."""
EXIT_CANNOT_RUN = 126


def main() -> int:
    """Become the program named after `--`, or with `--check` print the first path that is closed.

    Returns an exit code only if it did not become the program.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("words", nargs="+")
    options = parser.parse_args()
    if options.uid is not None:
        os.setgroups([])
        os.setgid(options.gid)
        os.setuid(options.uid)
    if options.check:
        closed = (word for word in options.words if not os.access(word, os.X_OK))
        sys.stdout.write(next(closed, ""))
        return 0
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, options.signal, 0, 0, 0) != 0:
            sys.stderr.write(f"prctl failed with error {ctypes.get_errno()}\n")
            return EXIT_CANNOT_RUN
        if os.getppid() != options.parent:
            return EXIT_CANNOT_RUN  # the parent died first: its death can no longer be signalled
    os.umask(0o077)
    return os.execv(options.words[0], options.words)  # noqa: S606  # no shell: a fixed argument list


if __name__ == "__main__":
    sys.exit(main())
