"""Commands as people run them: each in a process of its own."""

import os
import subprocess
import sys


def tenure(*arguments, folder=None):
    """What `tenure …` says and returns, with the folder as the working directory."""
    command = [sys.executable, "-m", "tenure", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, "COLUMNS": "120"}, timeout=120
    )
