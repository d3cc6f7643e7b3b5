"""Workers as processes that answer lines."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Worker:
    """A process that trains, or searches, with one of the libraries."""

    def __init__(self, module: str, python: str):
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "TF_CPP_MIN_LOG_LEVEL": "2"}
        self.process = subprocess.Popen(
            [python, "-m", f"benchmarks.returnn.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
            cwd=ROOT,
        )

    def ask(self, **told: Any) -> dict[str, Any]:
        """Its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(told), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args}: ended with {self.process.wait()}; run it by hand to see why")
        return json.loads(line)

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
