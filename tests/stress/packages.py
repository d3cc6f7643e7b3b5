"""Builds the wheel and the sdist, installs each in new environments of several Pythons and JAX versions, and uses it.

python -m tests.stress.packages --pythons python3.11 python3.12 python3.13 --jax 0.10.0 0.10.2

What is used: README's first example, whose printed ledger is compared, one step of training, and the command line. At last
pip is asked whether it can resolve all extras.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAINED = """
grads = jax.grad(lambda p: model.apply(p, None, tokens, tokens).sum())(params)
assert set(grads) == set(params) and "w" not in grads["output"]
"""


def main() -> int:
    """Runs all combinations, and says how each went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", nargs="+", default=["python3.11"], help="commands of Python 3.11 and newer")
    parser.add_argument("--jax", nargs="+", default=["0.10.0"], help="versions of JAX")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        made = build(Path(folder) / "dist")
        for python, jax, package in product(options.pythons, options.jax, made):
            started = time.perf_counter()
            problem = smoke(python, jax, package, Path(folder))
            failed += bool(problem)
            said = problem or "passes"
            print(f"{python}, JAX {jax}, {package.name}: {said}   [{time.perf_counter() - started:.0f} s]", flush=True)
        problem = run([sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", f"{made[0]}[all]"])
        failed += bool(problem)
        print(f"pip install tenure[all]: {problem or 'resolves'}")
    return 1 if failed else 0


def build(folder: Path) -> list[Path]:
    """The wheel and the sdist."""
    problem = run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)])
    if problem:
        raise SystemExit(problem)
    return [next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))]


def smoke(python: str, jax: str, package: Path, folder: Path) -> str:
    """What goes wrong when the package is installed in a new environment and used; "" if nothing does."""
    place = folder / "environment"
    if place.exists():
        shutil.rmtree(place)
    program = folder / "translator.py"
    program.write_text(_block("python") + TRAINED, encoding="utf-8")
    own = place / "bin" / "python"
    for command in (
        [python, "-m", "venv", str(place)],
        [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(package), f"jax=={jax}"],
    ):
        problem = run(command)
        if problem:
            return problem
    shown = subprocess.run([str(own), program.name], cwd=folder, capture_output=True, text=True, env=_environment())
    if shown.returncode or shown.stdout.strip() != _block("text").strip():
        return f"README's example: {shown.stdout}{shown.stderr[-2000:]}"
    return run([str(place / "bin" / "tenure"), "--version"]) or run([str(own), "-m", "tenure", "--help"])


def run(command: list[str]) -> str:
    """The end of what a command that fails printed, or ""."""
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    return f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}" if done.returncode else ""


def _environment() -> dict[str, str]:

    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "XLA_FLAGS")}
    return {**kept, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}


def _block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]


if __name__ == "__main__":
    raise SystemExit(main())
