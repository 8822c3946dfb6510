"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from pathlib import Path

BLOCK_BYTES = 8192
SYNCS = 100


def fsync_ms(folder: Path) -> float:
    """Return the median milliseconds of a write of 8 KiB and its fdatasync in `folder`."""
    path = folder / "fsync.probe"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    times = []
    try:
        for _ in range(SYNCS):
            started = time.perf_counter()
            os.pwrite(handle, b"x" * BLOCK_BYTES, 0)
            os.fdatasync(handle)
            times.append((time.perf_counter() - started) * 1000)
    finally:
        os.close(handle)
        path.unlink()
    return statistics.median(times)


def describe() -> str:
    """Return cores, processor architecture, kernel and Python version, on one line."""
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )
