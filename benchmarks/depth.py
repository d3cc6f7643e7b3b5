"""Does the cost of getting started grow with the number of layers, when they are one scanned body?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp

from benchmarks.counting import count_equations
from benchmarks.models import Config, make
from benchmarks.timing import Samples, turns

DEPTHS = (2, 6, 12, 24, 48, 96, 192)
#: Enough to see what a Python loop over the layers costs instead.
LOOP_DEPTHS = (2, 6, 12, 24)
SMALL = Config(d_model=64, heads=4, vocab=256, batch=2, length=32, stacked=True)


def label(name: str, depth: int) -> str:
    return f"{name}@{depth}"


def measure_depths(names: Sequence[str], depths: Sequence[int], rounds: int, samples: Samples) -> None:
    """Everyone at every depth once per round, after everyone has filled JAX's caches at the first one."""
    for name in names:
        measure_depth(name, replace(SMALL, layers=depths[0]), Samples())
    for _, (name, depth) in turns([(name, depth) for depth in depths for name in names], rounds):
        measure_depth(name, replace(SMALL, layers=depth), samples)


def measure_loops(names: Sequence[str], depths: Sequence[int], rounds: int, samples: Samples) -> None:
    """The same model as a loop in Python, for contrast."""
    for _, (name, depth) in turns([(name, depth) for depth in depths for name in names], rounds):
        measure_depth(name, replace(SMALL, layers=depth, stacked=False), samples)


def measure_depth(name: str, config: Config, samples: Samples) -> None:
    """Plan and initialise (shapes only), trace ``value_and_grad``, lower, compile."""
    who = label(name, config.layers)
    prefix = "stack" if config.stacked else "loop"
    peer = make(name, config)
    tokens = jax.ShapeDtypeStruct((config.batch, config.length + 1), jnp.int32)
    key = jax.random.key(0)
    params = samples.timed(f"{prefix}: init, shapes only", who, lambda: jax.eval_shape(peer.init, key))
    function = jax.jit(lambda p, t: jax.value_and_grad(peer.loss)(p, t))
    traced = samples.timed(f"{prefix}: trace", who, lambda: function.trace(params, tokens))
    lowered = samples.timed(f"{prefix}: lower", who, traced.lower)
    samples.timed(f"{prefix}: compile", who, lowered.compile)
    samples.add(f"{prefix}: equations", who, count_equations(traced.jaxpr))
