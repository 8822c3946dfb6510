"""`python -m theta.alerts`: deliver alerts to people."""

from __future__ import annotations

import argparse
import os

from theta.alerts.bootstrap import serve
from theta.common.process import run


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code; see `theta.common.errors`."""
    argparse.ArgumentParser(prog="python -m theta.alerts").parse_args(arguments)
    return run(lambda: serve(os.environ))


if __name__ == "__main__":
    raise SystemExit(main())
