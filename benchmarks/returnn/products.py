"""Only the products of matrices of a task, and Adam's update, in JAX: what a faster program cannot save. Told what to do by lines of JSON."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.returnn import loop_networks as sizes
from benchmarks.returnn import networks, worker
from benchmarks.returnn.networks import Problem

Shape = tuple[int, int, int]  # rows, inputs, outputs


def transformer(rows: int) -> list[Shape]:
    """Of the decoder's layers, for so many labels at once."""
    w = sizes.WIDTH
    block = [(rows, w, 3 * w), *[(rows, w, w)] * 3, (rows, w, 4 * w), (rows, 4 * w, w)]
    return block * sizes.BLOCKS + [(rows, w, sizes.LABELS)]


def attention(rows: int) -> list[Shape]:
    """The same for the LSTM with attention; the sums of its gates as one product."""
    n, enc = sizes.UNITS, 2 * sizes.BLSTM
    return [(rows, 2 * n + enc, 4 * n), (rows, n, n), (rows, 2 * n + enc, n), (rows, n, sizes.LABELS)]


DECODERS = {"attention decoder": attention, "Transformer decoder": transformer}


def searching(shapes: list[Shape]) -> Any:
    """The products of all steps of a search, in one loop."""
    inputs = {(r, k): jnp.ones((r, k)) for r, k, _ in shapes}
    matrices = [jnp.full((k, n), 1e-3) for _, k, n in shapes]

    @jax.jit
    def run(inputs: Any, matrices: Any) -> Any:
        def body(carry: Any) -> Any:
            t, last = carry
            for (r, k, _), w in zip(shapes, matrices, strict=True):
                last = jnp.matmul(inputs[r, k] + last, w)[0, 0] * 1e-6  # each needs the one before
            return t + 1, last

        return jax.lax.while_loop(lambda c: c[0] < sizes.STEPS, body, (0, jnp.float32(0)))[1]

    def search() -> None:
        run(inputs, matrices).block_until_ready()

    return search


def training(shapes: list[Shape]) -> Any:
    """The products of a step forward and backward, and the update of the matrices."""
    inputs = {(r, k): jnp.ones((r, k)) for r, k, _ in shapes}
    outputs = {(r, n): jnp.ones((r, n)) for r, _, n in shapes}
    turned = {(r, k): jnp.ones((k, r)) for r, k, _ in shapes}  # XLA's product is faster for what is stored so
    matrices = [jnp.full((k, n), 1e-3) for _, k, n in shapes]
    optimizer = optax.adam(networks.RATE)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def run(matrices: Any, memory: Any, inputs: Any, outputs: Any, turned: Any) -> Any:
        last, gradients = jnp.float32(0), []
        for (r, k, n), w in zip(shapes, matrices, strict=True):
            x, g = inputs[r, k] + last, outputs[r, n]
            last = jnp.matmul(x, w)[0, 0] * 1e-6 + jnp.matmul(g, w.T)[0, 0] * 1e-6
            gradients.append(jnp.matmul(turned[r, k], g + last))
        updates, memory = optimizer.update(gradients, memory)
        return optax.apply_updates(matrices, updates), memory

    kept = [matrices, optimizer.init(matrices)]

    def step() -> None:
        kept[:] = run(*kept, inputs, outputs, turned)
        jax.block_until_ready(kept)

    return step


def prepare(name: str, problem: Problem) -> worker.Job:
    """The products of a task."""
    batch = len(problem.batch["data"])
    if problem.search:
        return worker.Job(searching(DECODERS[name](batch * sizes.BEAM)))
    w, frames = sizes.WIDTH, batch * sizes.FRAMES
    encoder = [(frames, networks.FEATURES, w), *[(frames, w, w)] * (2 * sizes.BLOCKS)]
    return worker.Job(training(encoder + DECODERS[name](batch * sizes.TARGETS)))


if __name__ == "__main__":
    worker.serve(prepare)
