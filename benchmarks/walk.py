"""The walk of a parameter: how many calls, in how many files, with how many changes of file, a request for one takes.

python -m benchmarks.walk           # prints a table in Markdown

Counted are all calls of Python functions of the package in one `plan` or one eager `apply`, not those of JAX. What a model
without parameters takes is taken off from the calls and the changes of file.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from tenure import nn

PACKAGE = os.path.dirname(tn.__file__) + os.sep
X = jnp.ones((2, 4))


def walk(run: Callable[[], Any]) -> tuple[int, int, int]:
    """Calls, files, and changes of file from one call to the next, of the package's code that `run` runs."""
    files: list[str] = []

    def note(frame: Any, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE) and "errors" not in file:
            files.append(file)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    changes = sum(a != b for a, b in itertools.pairwise(files))
    return len(files), len(set(files)), changes


def one_linear(x: jax.Array) -> jax.Array:
    return nn.Linear(4, with_bias=False, name="linear")(x)


def owner_and_borrower(x: jax.Array) -> jax.Array:
    one = nn.Linear(4, with_bias=False, name="one", stages={"w": ["noise(0.1)"]})
    return nn.Linear(4, with_bias=False, name="two", share={"w": one.ref("w").T})(one(x))


NETWORK = {
    "one": {"class": "linear", "n_out": 4, "from": "data", "with_bias": False},
    "output": {"class": "linear", "n_out": 4, "from": "one", "with_bias": False, "reuse_params": "one"},
}


def nothing(x: jax.Array) -> jax.Array:
    return x


def walks(function: Callable[..., Any]) -> list[tuple[int, int, int]]:
    """Those of `plan` and of `apply`."""
    model, key = tn.transform(function), jax.random.key(0)
    params = model.init(key, X)
    model.apply(params, key, X)
    return [walk(lambda: tn.transform(function).plan(X)), walk(lambda: model.apply(params, key, X))]


def rows() -> dict[str, tuple[int, int, int]]:
    """The walks by what is counted: calls and changes of file on top of those of a model without parameters."""
    found = {}
    least = walks(nothing)
    for name, function in (
        ("one nn.Linear", one_linear),
        ("an owner with a stage, and a borrower", owner_and_borrower),
    ):
        for phase, all_of_it, without in zip(("plan", "apply"), walks(function), least, strict=True):
            found[f"{name}: {phase}"] = (all_of_it[0] - without[0], all_of_it[1], all_of_it[2] - without[2])
    net = tn.network(NETWORK, {"data": {"dim": 4}})
    batch = {"data": jnp.ones((2, 3, 4))}
    params, state = net.init(jax.random.key(0), batch)
    net.apply(params, state, None, batch)
    found["two linear layers with reuse_params: apply"] = walk(lambda: net.apply(params, state, None, batch))
    return found


def main() -> None:
    print("| what | calls | files | changes of file |\n|---|--:|--:|--:|")
    for name, numbers in rows().items():
        print(f"| {name} | {' | '.join(map(str, numbers))} |")


if __name__ == "__main__":
    main()
