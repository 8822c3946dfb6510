"""`python -m theta.risk`: review intents. `python -m theta.risk reference`: print the controls."""

from __future__ import annotations

import argparse
import os
import sys

from theta.common.process import run


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code; see `theta.common.errors`."""
    parser = argparse.ArgumentParser(prog="python -m theta.risk")
    parser.add_argument("command", nargs="?", choices=("serve", "reference"), default="serve")
    options = parser.parse_args(arguments)
    if options.command == "reference":
        from theta.risk.domain.reference import render
        from theta.risk.domain.registry import CONTROLS

        sys.stdout.write(render(CONTROLS))
        return 0
    from theta.risk.bootstrap import serve

    return run(lambda: serve(os.environ))


if __name__ == "__main__":
    raise SystemExit(main())
