"""Planning and abstract init at scale: `python -m benchmarks.planning`.

Two bars: planning 5,000 linear layers takes no more than 1.6 times what `jax.eval_shape` of the same layers costs written by hand in JAX (a
second of processor time on the machine of docs/benchmarks.md), and `jax.eval_shape(model.init, …)` of a new model of 12 layers no more
than 1.9 times, with all caches cleared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import nn

LAYERS, WIDTH = 12, 128
KEY = jax.random.key(0)
X = jax.ShapeDtypeStruct((2, 16, WIDTH), jnp.float32)


def many(x: Any) -> Any:
    """5,000 linear layers, one after the other."""
    for _ in range(5000):
        x = nn.Linear(4)(x)
    return x


def many_by_hand() -> Any:
    """The same layers with their parameters as arguments, as one would write them without a library."""

    def f(params: Any, x: Any) -> Any:
        for w, b in params:
            x = jnp.dot(x, w) + b
        return x

    params = [(jax.ShapeDtypeStruct((4, 4), jnp.float32), jax.ShapeDtypeStruct((4,), jnp.float32))] * 5000
    return jax.eval_shape(f, params, jax.ShapeDtypeStruct((2, 4), jnp.float32))


def block(lib: Any, x: Any) -> Any:
    """A layer with attention-like maths."""
    y = lib.LayerNorm(-1, True, True)(x)
    q, k, v = jnp.split(lib.Linear(3 * WIDTH)(y), 3, -1)
    x = x + lib.Linear(WIDTH)(jax.nn.softmax(q @ k.swapaxes(-1, -2)) @ v)
    return x + lib.Linear(WIDTH)(jax.nn.gelu(lib.Linear(4 * WIDTH)(lib.LayerNorm(-1, True, True)(x))))


def network(lib: Any) -> Callable[..., Any]:
    """The model of 12 layers, of a library with Haiku's layers."""

    def f(x: Any) -> Any:
        for _ in range(LAYERS):
            x = block(lib, x)
        return x

    return f


def by_hand(key: Any) -> Any:
    """The same parameters, drawn as one would without a library."""

    def linear(key: Any, n: int, m: int) -> Any:
        return {"w": jax.random.truncated_normal(key, -2.0, 2.0, (n, m)) / np.sqrt(n), "b": jnp.zeros(m)}

    params = []
    for _ in range(LAYERS):
        key, *keys = jax.random.split(key, 5)
        sizes = [(WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)]
        norms = [{"scale": jnp.ones(WIDTH), "offset": jnp.zeros(WIDTH)} for _ in range(2)]
        params.append((norms, [linear(k, *size) for k, size in zip(keys, sizes, strict=True)]))
    return params


def seconds(runs: Sequence[Callable[[], Any]], times: int) -> list[float]:
    """The medians of processor time, one run of each after the other, with JAX's caches cleared before each."""
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(times):
        for taken, run in zip(found, runs, strict=True):
            jax.clear_caches()
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return list(map(statistics.median, found))


def ways() -> dict[str, Callable[[], Any]]:
    """What is measured against what is written by hand."""

    def tenure() -> Any:
        return jax.eval_shape(tn.transform(network(nn)).init, KEY, X)

    def haiku() -> Any:
        import haiku as hk

        return jax.eval_shape(hk.transform(network(hk)).init, jax.random.PRNGKey(0), X)

    return {"tenure": tenure, "dm-haiku": haiku}


def main() -> None:
    """Prints both numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    planning, traced = seconds([lambda: tn.transform(many).plan(jnp.ones((2, 4))), many_by_hand], times)
    print(f"planning 5,000 linear layers: {planning:.2f} s, {planning / traced:.2f} of by hand")
    hand, *found = seconds([lambda: jax.eval_shape(by_hand, KEY), *ways().values()], times)
    for name, taken in zip(ways(), found, strict=True):
        print(f"abstract init, {name}: {taken / hand:.2f} of by hand ({hand * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
