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
# The page of errors is made of what is wrong.
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.stem != "errors")]
IMPORTS = """import jax
import jax.numpy as jnp
import tenure as tn
import tenure.haiku as hk
from tenure import nets, nn
"""

OWN = """
from typing import Unpack, assert_type

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


class Short(tn.Module):
    def __init__(self, size: int, **options: Unpack[tn.Options]) -> None:
        super().__init__(**options)
        self.size = size

    def __call__(self, x: jax.Array) -> jax.Array:
        return Head(self.size, name="head")(x)


class Plain(tn.Module):
    def __call__(self, x: jax.Array) -> jax.Array:
        return Head(3, share={"w": nn.Linear(3).ref("w")}, stages={"w": ["lora(2)"]}, name="head")(x)


def model(x: jax.Array) -> jax.Array:
    assert_type(nn.Linear(3), nn.Linear)
    x = nn.Linear(3, share={"w": "linear/w"}, stages={"w": ["lora(2)"]}, name="other")(x)
    assert_type(Short(3, share={"w": None}, stages={"w": ["lora(2)"]}, name="short"), Short)
    nn.LayerNorm(-1, True, True, share=nn.LayerNorm(-1, True, True))
    nets.TransformerLM(11, nets.TransformerConfig(), share={"*": tn.forbid})
    return Plain(share={"w": None}, name="plain")(x)
"""
MISTAKES = OWN + '\n\ndef wrong() -> None:\n    nn.Linear("3")\n    nn.Linear(3, shares={})\n    Head(3, stages=3)\n'
MISTAKES += '    Short("3")\n    Short(3, shares={})\n'


# What no checker understands, so that an `__init__` of one's own has to name what the metaclass takes: a keyword beside those of
# another signature; overloads of a metaclass's `__call__`; fields of a `dataclass_transform` beside an `__init__`.
METACLASSES = """
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, dataclass_transform, overload

P = ParamSpec("P")
T = TypeVar("T")


class Beside(type):
    def __call__(cls: Callable[P, T], *args: P.args, share: object = None, **kwargs: P.kwargs) -> T: ...  # type: ignore


class Overloads(type):
    @overload
    def __call__(cls: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...  # type: ignore
    @overload
    def __call__(cls: type[T], *args: Any, share: object = ..., **kwargs: Any) -> T: ...
    def __call__(cls, *args: Any, **kwargs: Any) -> Any: ...


@dataclass_transform(kw_only_default=True)
class Fields(type):
    pass


class A(metaclass=Beside):
    def __init__(self, size: int) -> None: ...


class B(metaclass=Overloads):
    def __init__(self, size: int) -> None: ...


class C(metaclass=Fields):
    share: object = None

    def __init__(self, size: int) -> None: ...


A(3, share=1)
B(3, share=1)
C(3, share=1)
"""


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
    (folder / "metaclasses.py").write_text(METACLASSES)
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


@pytest.mark.slow
@pytest.mark.parametrize("checker", [by_mypy, by_pyright])
def test_types(checker, tmp_path):
    """Nothing is wrong but what is meant to be: wrong arguments are seen in spite of what every module takes.

    The day that `metaclasses.py` has nothing wrong, `share` can be typed for all modules, and `tn.Options` is not needed.
    """
    write(tmp_path)
    options = {"reportUndefinedVariable": False} if checker is by_pyright else {}
    found = list(checker(tmp_path, **options))
    refused = [line for line in found if line.startswith("metaclasses.py")]
    lines = METACLASSES.splitlines()
    calls = {lines[int(line.split(":")[1]) - 1] for line in refused if "share" in line.partition("error:")[2]}
    assert {"A(3, share=1)", "B(3, share=1)", "C(3, share=1)"} <= calls
    found = [line for line in found if line not in refused]
    wrong = [line for line in found if line.startswith("mistakes.py")]
    assert len(wrong) == 5, wrong
    assert found == wrong


@pytest.mark.slow
def test_examples_by_mypy():
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--follow-imports=silent"]
    command += ["--explicit-package-bases", "--no-error-summary", "examples"]
    command += [
        "--exclude",
        "^examples/(configs/(?!__init__|prepare|baselines)[a-z0-9_]+|returnn/config)[.]py$",
    ]  # configs are no modules
    environment = {**os.environ, "MYPYPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.slow
def test_examples(tmp_path):
    """What examples import besides Tenure need not be there."""
    assert list(by_pyright(tmp_path, include=[str(ROOT / "examples")], reportMissingImports=False)) == []
