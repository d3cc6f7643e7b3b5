"""The five programs of `examples/haiku`, with dm-haiku and with `tenure.haiku`, side by side."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOM = Path(__file__).parents[2] / "examples" / "haiku"
OURS, THEIRS = "import tenure.haiku as hk", "import haiku as hk"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _room_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOM))
    yield
    sys.modules.pop("data", None)


def load(name: str, library: str) -> Any:
    """The program, with its one import of the library exchanged."""
    source = (ROOM / f"{name}.py").read_text()
    assert source.count(OURS) == 1
    module = types.ModuleType(f"{name}_{'theirs' if library == THEIRS else 'ours'}")
    sys.modules[module.__name__] = module
    exec(compile(source.replace(OURS, library), f"{name}.py", "exec"), module.__dict__)
    return module


PROGRAMS = [("images", "resnet"), ("images", "mixer"), ("language",), ("agent",), ("codes",), ("scene",)]
DIGITS = ("images", "codes")


def compare(program: tuple[str, ...], steps: int) -> None:
    name, *options = program
    if name in DIGITS:
        pytest.importorskip("sklearn")
    theirs, ours = (load(name, library).train(steps, *options) for library in (THEIRS, OURS))
    losses = np.array(list(zip(theirs, ours, strict=True)))
    assert len(losses) == steps
    np.testing.assert_array_equal(losses[:, 1], losses[:, 0])


@pytest.mark.parametrize("program", [pytest.param(("scene",), marks=pytest.mark.slow), ("language",)], ids="-".join)
def test_first_steps(program: tuple[str, ...]) -> None:
    compare(program, 3)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids="-".join)
def test_hundred_steps(program: tuple[str, ...]) -> None:
    compare(program, 100)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids="-".join)
def test_they_learn(program: tuple[str, ...]) -> None:
    name, *options = program
    if name in DIGITS:
        pytest.importorskip("sklearn")
    losses = list(itertools.islice(load(name, OURS).train(100, *options), 100))
    if name != "agent":  # its loss goes up with the reward
        assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
