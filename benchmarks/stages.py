"""From nothing to a running training step, one stage at a time, for one depth and all the libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax

from benchmarks.counting import count_equations, count_operations, flops, temporary_bytes
from benchmarks.models import Config, Peer, make
from benchmarks.models.common import Params, random_tokens
from benchmarks.timing import Samples, turns

LEARNING_RATE = 1e-3
KEY = 0


def step_function(peer: Peer) -> Callable[[Params, jax.Array], tuple[jax.Array, Params]]:
    """A step of gradient descent: new at each call, so that JAX has not traced it before."""

    def step(params: Params, tokens: jax.Array) -> tuple[jax.Array, Params]:
        loss, gradient = jax.value_and_grad(peer.loss)(params, tokens)
        return loss, jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, gradient)

    return step


def measure_python(names: Sequence[str], config: Config, rounds: int, samples: Samples) -> None:
    """Initialise, trace and lower in a process that has done it before: what is left is mostly Python's time."""
    tokens = random_tokens(jax.random.key(1), config)
    key = jax.random.key(KEY)
    for i, name in turns(names, rounds + 1):
        take = Samples() if i == 0 else samples  # the first round fills JAX's caches
        peer = make(name, config)
        params = take.timed("init", name, lambda peer=peer: peer.init(key))
        traced = take.timed("trace", name, lambda peer=peer, params=params: trace(peer, params, tokens))
        take.timed("lower", name, traced.lower)
        take.add("equations", name, count_equations(traced.jaxpr))
        take.timed("trace, loaded", name, lambda name=name, params=params: trace_loaded(name, config, params, tokens))


def measure_wide(names: Sequence[str], config: Config, rounds: int, samples: Samples) -> None:
    """Initialise a model of a more usual width: what a library adds depends on the depth only."""
    wide = replace(config, d_model=3 * config.d_model)
    key = jax.random.key(KEY)
    for i, name in turns(names, rounds + 1):
        take = Samples() if i == 0 else samples
        take.timed("init, wide", name, lambda name=name: make(name, wide).init(key))


def trace(peer: Peer, params: Params, tokens: jax.Array) -> Any:
    return jax.jit(lambda p, t: jax.value_and_grad(peer.loss)(p, t)).trace(params, tokens)


def trace_loaded(name: str, config: Config, params: Params, tokens: jax.Array) -> Any:
    """A new model that never initialised anything: its parameters come from a checkpoint."""
    peer = make(name, config)
    if peer.needs_template:
        jax.eval_shape(peer.init, jax.random.key(KEY))
    return trace(peer, params, tokens)


def measure_cold(names: Sequence[str], config: Config, rounds: int, samples: Samples) -> dict[str, Any]:
    """Everything for the first time (JAX's caches emptied before each stage); returns the compiled steps."""
    tokens = random_tokens(jax.random.key(1), config)
    key = jax.random.key(KEY)
    steps = {}
    for i, name in turns(names, rounds):
        peer = make(name, config)
        jax.clear_caches()
        params = samples.timed("init, cold", name, lambda peer=peer: peer.init(key))
        jax.clear_caches()
        samples.timed("init, jitted and cold", name, lambda name=name: jax.jit(make(name, config).init)(key))
        jax.clear_caches()
        samples.timed("trace, cold", name, lambda peer=peer, params=params: trace(peer, params, tokens))
        steps[name] = compile_step(name, peer, params, tokens, samples if i == 0 else Samples(), samples)
    return steps


def compile_step(name: str, peer: Peer, params: Params, tokens: jax.Array, counts: Samples, samples: Samples) -> Any:
    """Compile the step, and count what is in the result."""
    lowered = jax.jit(step_function(peer), donate_argnums=0).lower(params, tokens)
    compiled = samples.timed("compile", name, lowered.compile)
    counts.add("operations", name, count_operations(compiled.as_text()))
    counts.add("flops", name, flops(compiled))
    counts.add("temporary memory", name, temporary_bytes(compiled))
    return compiled


def measure_steps(steps: dict[str, Any], config: Config, rounds: int, samples: Samples) -> None:
    """Run the compiled steps in turns, each training its own parameters."""
    tokens = random_tokens(jax.random.key(1), config)
    state = {name: make(name, config).init(jax.random.key(KEY)) for name in steps}
    for i, name in turns(list(steps), rounds + 1):
        take = Samples() if i == 0 else samples  # the first round warms up
        _, state[name] = take.timed("step", name, lambda name=name: steps[name](state[name], tokens))
