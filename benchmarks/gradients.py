"""The gradients of `tenure.functional` that replace JAX's: recurrences, and convolutions on CPUs.

    python -m benchmarks.gradients --out docs/benchmarks-gradients.md

Times are the least of several rounds in which the candidates take turns: of recurrences processor time, which other
processes disturb less; of convolutions wall time, as several cores are what they gain by. Memory is XLA's for the
compiled gradient.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional import affine, convolve, lstm
from tenure.network import cells

NHWC = ("NHWC", "HWIO", "NHWC")
# batch, height, width, channels, outputs, kernel, stride
IMAGES = [
    (8, 100, 40, 32, 32, 3, 1),
    (16, 100, 40, 32, 32, 3, 1),
    (8, 100, 40, 32, 64, 3, 2),
    (8, 50, 20, 64, 64, 3, 1),
]
IMAGES += [(32, 8, 8, 256, 256, 3, 1), (16, 28, 28, 128, 128, 3, 1), (32, 14, 14, 256, 256, 3, 1)]


@dataclasses.dataclass(frozen=True)
class Row:
    """A measure of ours and of the peer's.

    Attributes:
      what: was measured.
      ours, peer: the numbers.
      who: the peer is.
    """

    what: str
    ours: float
    peer: float
    who: str


def least(
    candidates: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Seconds by a clock, the least of several rounds."""
    best: dict[str, float] = {}
    for run in candidates.values():
        jax.block_until_ready(run())
    for _ in range(rounds):
        for name, run in candidates.items():
            start = clock()
            jax.block_until_ready(run())
            best[name] = min(best.get(name, float("inf")), clock() - start)
    return best


def gradient(function: Callable[..., jax.Array], *arguments: Any) -> Any:
    """The compiled gradient of the sum of squares."""
    loss = jax.grad(lambda *args: jnp.sum(jnp.square(function(*args))), argnums=tuple(range(len(arguments))))
    return jax.jit(loss).lower(*arguments).compile()


def by_scan(params: Any, x: jax.Array, *, move: bool) -> jax.Array:
    """An LSTM as a plain scan, with the input's product in the loop or before it."""
    n = params["W_re"].shape[0]
    zeros = jnp.zeros((x.shape[1], n), x.dtype)
    inputs = affine(x, params["W"], params["b"]) if move else x

    def step(state: Any, x: jax.Array) -> Any:
        h, c = state
        sums = x if move else affine(x, params["W"], params["b"])
        h, c = lstm(sums + h @ params["W_re"], c, order="gifo")
        return (h, c), h

    return jax.lax.scan(step, (zeros, zeros), inputs)[1]


def recurrences(rounds: int) -> list[Row]:
    """An LSTM of 512 units: the time of 60 steps, and the memory of 2,000."""
    cell = cells.make("nativelstm2", 512)
    keys = jax.random.split(jax.random.key(0), 4)
    specs = cell.params(512)
    params = {name: 0.05 * jax.random.normal(k, s.shape) for k, (name, s) in zip(keys, specs.items(), strict=False)}
    x = jax.random.normal(keys[3], (60, 16, 512))

    def ours(params: Any, x: jax.Array, remat: bool = False) -> jax.Array:
        return cells.run(cell, params, x, remat=remat)[0]

    compiled = {
        "tenure": gradient(ours, params, x),
        "scan": gradient(lambda p, x: by_scan(p, x, move=False), params, x),
        "moved": gradient(lambda p, x: by_scan(p, x, move=True), params, x),
    }
    times = least({name: lambda f=f: f(params, x) for name, f in compiled.items()}, rounds, time.process_time)
    what = "LSTM, 512 units, batch 16, 60 steps, forward and backward, ms of processor time"
    rows = [
        Row(what, 1e3 * times["tenure"], 1e3 * times["scan"], "a plain scan"),
        Row(what, 1e3 * times["tenure"], 1e3 * times["moved"], "a scan with the input's product before it"),
    ]
    for batch in (16, 32):
        long = jax.ShapeDtypeStruct((2000, batch, 512), jnp.float32)
        memory = [
            gradient(f, params, long).memory_analysis().temp_size_in_bytes / 2**20
            for f in (lambda p, x: ours(p, x, True), ours, lambda p, x: by_scan(p, x, move=False))
        ]
        what = f"the same, batch {batch}, 2,000 steps, rematerialised, MiB"
        rows += [Row(what, memory[0], memory[1], "not rematerialised"), Row(what, memory[0], memory[2], "a plain scan")]
    return rows


def convolutions(rounds: int) -> list[Row]:
    """The gradient by the kernel alone, for several shapes."""
    rows = []
    for n, height, width, channels, outputs, kernel, stride in IMAGES:
        size = (kernel, 1 if width == 1 else kernel)
        x = jax.random.normal(jax.random.key(0), (n, height, width, channels))
        w = jax.random.normal(jax.random.key(1), (*size, channels, outputs))

        def by_kernel(split: bool, x: Any = x, w: Any = w, stride: int = stride) -> Callable[[], Any]:
            def function(w: jax.Array) -> jax.Array:
                return convolve(x, w, (stride, stride), "SAME", split=split, dimension_numbers=NHWC)

            gradient = jax.jit(lambda w, dy: jax.vjp(function, w)[1](dy))
            dy = function(w)
            return lambda: gradient(w, dy)

        times = least({"split": by_kernel(True), "plain": by_kernel(False)}, rounds)
        what = f"{n} × {height} × {width} × {channels} → {outputs}, kernel {size}, stride {stride}, ms"
        rows.append(Row(what, 1e3 * times["split"], 1e3 * times["plain"], "JAX's gradient"))
    return rows


def report(rows: list[Row]) -> str:
    """The rows as a Markdown page."""
    lines = [
        "# Gradients that replace JAX's",
        "",
        "Recurrences (`functional.recurrence`) and the kernels of convolutions on CPUs (`functional.convolve`), against the same",
        "functions differentiated by JAX; convolutions by wall time. Made by",
        "`python -m benchmarks.gradients --out docs/benchmarks-gradients.md`.",
        "",
        f"jax {jax.__version__}, {jax.devices()[0].device_kind}.",
        "",
        "| | Tenure | peer | ratio | peer is |",
        "|---|---:|---:|---:|---|",
    ]
    lines += [f"| {r.what} | {r.ours:,.1f} | {r.peer:,.1f} | {r.ours / r.peer:.2f} | {r.who} |" for r in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, and prints the table or writes it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, help="the Markdown file to write; the terminal if left out")
    parser.add_argument("--rounds", type=int, default=10, help="how often each candidate takes its turn (default 10)")
    arguments = parser.parse_args()
    text = report(recurrences(arguments.rounds) + convolutions(arguments.rounds))
    if arguments.out is None:
        print(text)
    else:
        temporary = arguments.out.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(arguments.out)


if __name__ == "__main__":
    main()
