"""The file whose existence halts trading."""

from __future__ import annotations

from pathlib import Path


class HaltFlagFile:
    """`THETA_HALT_FLAG_FILE`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def identity(self) -> str | None:
        """Return what tells this flag file from an earlier one; `None` while there is none."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return f"flag:unreadable:{self._path}"  # cannot be looked at: as good as set
        return f"flag:{found.st_ino}:{found.st_mtime_ns}"
