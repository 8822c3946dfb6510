"""What the demo shows: progress lines with elapsed time, and tables at a terminal."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PICTURE_COLUMNS = 128


class Screen:
    """Writes to standard output, at once: colours at a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._console = Console(highlight=False, soft_wrap=True)
        self._last_notice = ""
        self._copy = Console(
            record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True
        )

    @property
    def seconds(self) -> float:
        """Process seconds since the demo began."""
        return time.monotonic() - self._started

    def step(self, text: str, *, pictured: bool = True) -> None:
        """Tell one step; `pictured` is False for what belongs to this machine alone."""
        if pictured:
            self._copy.print(f"[dim]{self.seconds:6.1f} s[/dim]  ", end="")
            self._copy.print(text, markup=False, highlight=False)
        if self._console.is_terminal:
            self._console.print(f"[dim]{self.seconds:6.1f} s[/dim]  ", end="")
            self._console.print(text, markup=False)
        else:
            sys.stdout.write(f"{self.seconds:6.1f} s  {text}\n")
            sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Tell what is waited for, once for each change."""
        if text != self._last_notice:
            self._last_notice = text
            self.step(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show rows; None shows as empty."""
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row))
        Console(highlight=False).print(table)
        self._copy.print(table)

    def save_picture(self, path: Path, title: str) -> None:
        """Write what was shown so far as an SVG picture of a terminal."""
        picture = self._copy.export_svg(title=title)
        # The viewer's own monospaced font will do: a picture fetches nothing from elsewhere.
        path.write_text(re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL))

    def plain(self, text: str) -> None:
        """Write text to be copied: no colours, no wrapping."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def figures(self, figures: Mapping[str, Any]) -> None:
        """Write the figures as one JSON object on a line of its own: the last of the output."""
        self.plain(json.dumps(figures))
