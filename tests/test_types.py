"""What type checkers say of the README, the docs, and classes of a user's own."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("basedpyright")
pytest.importorskip("mypy")

ROOT = pathlib.Path(__file__).parents[1]
WRONG = ROOT / "docs" / "errors.md"  # its examples are mistakes
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {WRONG})]
IMPORTS = """import jax
import jax.numpy as jnp
import tenure as tn
import tenure.haiku as hk
from tenure import nets, nn
"""

OWN = """
from typing import assert_type

import jax
import jax.numpy as jnp
import tenure as tn
from tenure import nets, nn


class Head(tn.Module):
    def __init__(
        self, size: int, name: str | None = None, *, share: tn.Share = None, stages: tn.Stages = None
    ) -> None:
        super().__init__(name=name)
        self.size = size

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ tn.get_parameter("w", (x.shape[-1], self.size), init=jnp.ones)


class Plain(tn.Module):
    def __call__(self, x: jax.Array) -> jax.Array:
        return Head(3, share={"w": nn.Linear(3).ref("w")}, stages={"w": ["lora(2)"]}, name="head")(x)


def model(x: jax.Array) -> jax.Array:
    assert_type(nn.Linear(3), nn.Linear)
    x = nn.Linear(3, share={"w": "linear/w"}, stages={"w": ["lora(2)"]}, name="other")(x)
    nn.LayerNorm(-1, True, True, share=nn.LayerNorm(-1, True, True))
    nets.TransformerLM(11, nets.TransformerConfig(), share={"*": tn.forbid})
    return Plain(share={"w": None}, name="plain")(x)
"""
MISTAKES = OWN + '\n\ndef wrong() -> None:\n    nn.Linear("3")\n    nn.Linear(3, shares={})\n    Head(3, stages=3)\n'


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


# Functions of the pages need no annotations, and a fragment's names come from the blocks before it.
LOOSE = (
    "# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators\n"
    '# mypy: disable-error-code="name-defined,no-any-return,has-type,used-before-def"\n'
)


def write(folder):
    """The examples above, and each one of the pages; fragments get the imports that their page made before them."""
    (folder / "own.py").write_text(OWN)
    (folder / "mistakes.py").write_text(MISTAKES)
    (folder / "first.py").write_text(blocks(PAGES[0])[0])
    for page in PAGES:
        for number, block in enumerate(blocks(page)):
            if ">>>" in block or "…" in block:  # a session, or a sketch
                continue
            whole = "import tenure" in block or "from tenure" in block
            name = f"{page.stem.replace('-', '_').lower()}_{number}"
            (folder / f"{name}.py").write_text(LOOSE + (block if whole else IMPORTS + block), encoding="utf-8")


def by_pyright(folder, **settings):
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(ROOT / "src"), str(ROOT)], **settings}
    settings |= {"reportPossiblyUnbound": False, "reportPossiblyUnboundVariable": False}  # of loops that run
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True)
    for d in json.loads(said.stdout)["generalDiagnostics"]:
        if d["severity"] == "error":
            yield f"{pathlib.Path(d['file']).name}:{d['range']['start']['line'] + 1}: error: {d['message']}"


def by_mypy(folder):
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--follow-imports=silent"]
    command += ["--no-error-summary", "--cache-dir", str(folder / "cache"), *map(str, sorted(folder.glob("*.py")))]
    environment = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    said = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert said.returncode in (0, 1), said.stderr
    return [line for line in said.stdout.splitlines() if "error:" in line]


@pytest.mark.parametrize("checker", [by_mypy, by_pyright])
def test_types(checker, tmp_path):
    """Nothing is wrong but what is meant to be: wrong arguments are seen in spite of what every module takes."""
    write(tmp_path)
    options = {"reportUndefinedVariable": False} if checker is by_pyright else {}
    found = list(checker(tmp_path, **options))
    wrong = [line for line in found if line.startswith("mistakes.py")]
    assert len(wrong) == 3, wrong
    assert found == wrong


def test_examples(tmp_path):
    """What examples import besides Tenure need not be there."""
    assert list(by_pyright(tmp_path, include=[str(ROOT / "examples")], reportMissingImports=False)) == []
