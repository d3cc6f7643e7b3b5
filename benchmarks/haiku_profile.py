"""`tenure.haiku` against dm-haiku: initialising, tracing, the compiled step, the import. Interleaved, in one process.

python -m benchmarks.haiku_profile                         # prints a table in Markdown
python -m benchmarks.haiku_profile "BYOL, ResNet-50"       # one program
python -m benchmarks.haiku_profile --traces --rounds 7     # without running or compiling anything: tracing only
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import haiku
import jax
import jax.numpy as jnp

import tenure.haiku

LIBRARIES: tuple[ModuleType, ModuleType] = (haiku, tenure.haiku)
KEY = jax.random.PRNGKey(0)


def _transformer(m: Any, x: jax.Array) -> jax.Array:
    init = m.initializers.VarianceScaling(0.5)
    for _ in range(6):
        y = m.LayerNorm(-1, True, True)(x)
        x = x + m.MultiHeadAttention(4, 16, w_init=init)(y, y, y)
        x = x + m.nets.MLP([256, 64], w_init=init, activation=jax.nn.gelu)(m.LayerNorm(-1, True, True)(x))
    return x


def _lstm(m: Any, x: jax.Array) -> jax.Array:
    core = m.LSTM(64)
    return m.dynamic_unroll(core, x, core.initial_state(x.shape[1]))[0]


def _byol(m: Any, x: jax.Array) -> jax.Array:
    """The networks of BYOL (Grill et al. 2020, https://arxiv.org/abs/2006.07733): encoder, projector, predictor, classifier."""
    norm = {"decay_rate": 0.9, "eps": 1e-5, "create_scale": True, "create_offset": True}

    def head(x: jax.Array, name: str) -> jax.Array:
        x = m.Linear(4096, name=f"{name}_hidden")(x)
        x = jax.nn.relu(m.BatchNorm(**norm, name=f"{name}_norm")(x, is_training=True))
        return m.Linear(256, with_bias=False, name=name)(x)

    logits = m.Linear(1000, name="classifier")
    encoded = m.nets.ResNet50(256, bn_config={k: norm[k] for k in ("decay_rate", "eps")}, name="encoder")(x, True)
    projected = head(encoded, "projector")
    return logits(jax.lax.stop_gradient(encoded)).sum(-1) + head(projected, "predictor").sum(-1)


PROGRAMS: dict[str, tuple[Callable[[Any, jax.Array], jax.Array], tuple[int, ...]]] = {
    "MLP, 20 layers": (lambda m, x: m.nets.MLP([64] * 20)(x), (8, 64)),
    "Transformer, 6 layers": (_transformer, (2, 16, 64)),
    "ResNet-50": (lambda m, x: m.nets.ResNet50(10)(x, True), (1, 32, 32, 3)),
    "BYOL, ResNet-50": (_byol, (2, 32, 32, 3)),
    "LSTM": (_lstm, (12, 4, 32)),
}


def _model(library: ModuleType, function: Callable[..., Any]) -> Any:
    return library.transform_with_state(lambda x: function(library, x))


def _seconds(run: Callable[[], Any]) -> float:
    """Processor time of all threads."""
    start = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - start


def _interleaved(runs: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The medians; the first round, in which things compile, does not count."""
    found: list[list[float]] = [[], []]
    for i in range(rounds + 1):
        for times, run in zip(found, runs, strict=True):
            gc.collect()
            times += [_seconds(run)] if i else []
            if not i:
                jax.block_until_ready(run())
    return [statistics.median(times) for times in found]


def measure(name: str, rounds: int, traces: bool = False) -> list[str]:
    """One row: ratios of ours to theirs; with `traces`, of tracing only."""
    function, shape = PROGRAMS[name]
    x = jnp.ones(shape)
    models = [_model(library, function) for library in LIBRARIES]
    values = [jax.eval_shape(m.init, KEY, x) if traces else m.init(KEY, x) for m in models]
    init = [1.0, 0.0] if traces else _interleaved([lambda m=m: m.init(KEY, x) for m in models], rounds)
    jitted = _interleaved([lambda m=m: jax.make_jaxpr(lambda k: m.init(k, x))(KEY) and () for m in models], rounds)

    def cold(library: ModuleType) -> tuple[()]:
        """The init of a program that was just written, traced with nothing remembered."""
        jax.clear_caches()
        jax.make_jaxpr(lambda k: _model(library, function).init(k, x))(KEY)
        return ()

    first = _interleaved([lambda m=m: cold(m) for m in LIBRARIES], rounds)
    trace = _interleaved(
        [
            lambda m=m, v=v: jax.make_jaxpr(lambda p, s: m.apply(p, s, KEY, x))(*v) and ()
            for m, v in zip(models, values)
        ],
        rounds,
    )

    def step(model: Any) -> Callable[..., Any]:
        return jax.jit(jax.value_and_grad(lambda p, s: (model.apply(p, s, KEY, x)[0] ** 2).mean()))

    if traces:
        return [name, "", *(f"{ours / theirs:.2f}" for theirs, ours in (jitted, first, trace)), "", ""]
    compiled = [step(m).lower(*v).compile() for m, v in zip(models, values)]
    flops = [c.cost_analysis()["flops"] for c in compiled]
    memory = [c.memory_analysis().temp_size_in_bytes for c in compiled]
    rows = [init, jitted, first, trace, flops, memory]
    return [name, *(f"{ours / theirs:.2f}" if theirs else "1.00" for theirs, ours in rows)]


def imports(rounds: int) -> tuple[float, float]:
    """Seconds of processor time that each import takes, after JAX, with Python's compiled files in place."""
    found = []
    compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for name in ("haiku", "tenure.haiku"):
        code = f"import time, jax, jax.numpy; t = time.process_time(); import {name}; print(time.process_time() - t)"
        runs = [
            subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, env=compiled)
            for _ in range(rounds)
        ]
        found.append(statistics.median(float(r.stdout) for r in runs))
    return found[0], found[1]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--traces", action="store_true", help="measure tracing only")
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| program | init | tracing init | the first time | tracing apply | flops of a step | temporary memory |")
    print("|---|---|---|---|---|---|---|")
    for name in options.programs:
        print("| " + " | ".join(measure(name, options.rounds, options.traces)) + " |", flush=True)
    theirs, ours = imports(options.rounds)
    print(f"\nimport: dm-haiku {theirs:.2f} s, tenure.haiku {ours:.2f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
