"""Where a training says what it does: the terminal, and the files of the key `log`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from tenure.training.errors import ConfigError


class Log:
    """Lines with a verbosity from 1 to 5. A file that cannot be written any more, as the disk is full, gets no further lines.

    Attributes:
      verbosity: lines of a higher one are left out.
      live: whether the output is a terminal that can show a line which changes; at the highest verbosity, no line does.
    """

    def __init__(self, verbosity: int = 3, files: tuple[Path, ...] = (), out: TextIO | None = None):
        self.verbosity, self._out = verbosity, out
        terminal = (out or sys.stdout).isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.live, self._shows = terminal and 3 <= verbosity < 5, False
        self._files = [_opened(path) for path in files]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Log:
        """The keys `log` and `log_verbosity`. A name without a folder is not a file's but the standard output's."""
        log, verbosity = config.get("log") or [], config.get("log_verbosity", 3)
        if isinstance(verbosity, list):
            verbosity = max((int(v) for v in verbosity), default=3)
        names = [log] if isinstance(log, str) else list(log)
        files = tuple(Path(name) for name in names if isinstance(name, str) and "/" in name)
        return cls(int(verbosity), files)

    def say(self, line: str, verbosity: int = 3) -> None:
        """Writes a line.

        >>> Log(2).say("not told"), Log(2).say("told", 2)
        told
        (None, None)
        """
        if verbosity > self.verbosity:
            return
        self.status("")
        print(line, file=self._out or sys.stdout, flush=True)
        for file in list(self._files):
            try:
                print(line, file=file, flush=True)
            except OSError as error:
                self._files.remove(file)
                print(f"no further lines go to the log '{file.name}': {error.strerror}", file=self._out or sys.stdout)
                with contextlib.suppress(OSError):
                    file.close()

    def close(self) -> None:
        """Closes the files, which get no further lines."""
        for file in self._files:
            file.close()
        self._files.clear()

    def status(self, line: str) -> None:
        """Shows a line that the next one replaces, where the output is a terminal; an empty one takes it away."""
        if not self.live or not (line or self._shows):
            return
        width = shutil.get_terminal_size((80, 24)).columns - 1
        print(f"\r\033[K{line[:width]}", end="", file=self._out or sys.stdout, flush=True)
        self._shows = bool(line)


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the log '{path}' cannot be written: {error.strerror}", ways=["another file in the key 'log'"]
        ) from None
