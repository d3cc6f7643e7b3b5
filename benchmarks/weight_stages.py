"""What stages cost: weight norm and noise on 48 owners, beside the same arithmetic written by hand.

    python -m benchmarks.weight_stages --out docs/benchmarks-stages.md

Flops and memory are XLA's for the compiled gradient; times are processor time, the least of several rounds in which the
candidates take turns.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from tenure import nets

WIDTH, LAYERS, VOCAB, EPS = 256, 8, 512, 1e-12
GLOB = "**/layer_*/**/w"
STAGES = {GLOB: [tn.stages.WeightNorm(), tn.stages.Noise(0.05)]}
KEY = jax.random.key(0)


def lm(tokens: jax.Array) -> jax.Array:
    config = nets.TransformerConfig(width=WIDTH, num_heads=8, num_layers=LAYERS)
    return nets.TransformerLM(VOCAB, config)(tokens)


def split(params: Any) -> tuple[Any, Any]:
    """The plain leaves, and the scales of the staged ones by (module, name)."""
    scales = {(m, n.partition(".")[0]): a for m, e in params.items() for n, a in e.items() if "." in n}
    plain = {m: {n: a for n, a in e.items() if "." not in n} for m, e in params.items()}
    return plain, scales


def by_hand(params: Any, key: jax.Array) -> Any:
    """The final weights, as somebody without Tenure's stages would make them."""
    plain, scales = split(params)
    for i, ((module, name), scale) in enumerate(scales.items()):
        v = plain[module][name]
        w = v * (scale / jnp.sqrt(jnp.sum(v * v, 0) + EPS))
        w = w + 0.05 * jax.random.normal(jax.random.fold_in(key, i), w.shape, w.dtype)
        plain = {**plain, module: {**plain[module], name: w}}
    return plain


def least(candidates: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Processor seconds, the least of several rounds."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: min(t) for name, t in times.items()}


def measure(rounds: int) -> list[tuple[str, float, float, str]]:
    """Rows: what, Tenure's stages, the peer, who the peer is."""
    tokens = jnp.zeros((4, 32), int)
    staged, plain = tn.transform(lm, stages=STAGES), tn.transform(lm)
    params = staged.init(KEY, tokens)
    bare = split(params)[0]
    owners = sum(bool(row.stages) for row in staged.plan(tokens).ledger.rows)
    assert owners == 48, owners

    def with_stages(p: Any, key: Any, x: Any) -> Any:
        return jnp.mean(jnp.square(staged.apply(p, key, x)))

    def hand(p: Any, key: Any, x: Any) -> Any:
        return jnp.mean(jnp.square(plain.apply(by_hand(p, key), None, x)))

    def without(p: Any, key: Any, x: Any) -> Any:
        return jnp.mean(jnp.square(plain.apply(p, None, x)))

    costs = {}
    for name, loss in (("tenure", with_stages), ("hand", hand)):
        compiled = jax.jit(jax.value_and_grad(loss)).lower(params, KEY, tokens).compile()
        analysis = compiled.cost_analysis()
        costs[name] = analysis["flops"], compiled.memory_analysis().temp_size_in_bytes, compiled

    def steps(name: str) -> Callable[[], Any]:
        return lambda: jax.block_until_ready([costs[name][2](params, KEY, tokens) for _ in range(3)])

    def traced(loss: Any, p: Any, grad: bool) -> Callable[[], Any]:
        function = jax.value_and_grad(loss) if grad else loss
        return lambda: jax.jit(lambda *args: function(*args)).trace(p, KEY, tokens)

    def planned(stages: Any) -> Callable[[], Any]:
        return lambda: tn.transform(lm, stages=stages).plan(tokens)

    step = least({"tenure": steps("tenure"), "hand": steps("hand")}, rounds)
    plans = least({"tenure": planned(STAGES), "plain": planned(None)}, rounds)
    candidates = (("tenure", with_stages, params), ("plain", without, bare), ("hand", hand, params))
    traces = least({name: traced(loss, p, False) for name, loss, p in candidates}, rounds)
    grads = least({name: traced(loss, p, True) for name, loss, p in candidates}, rounds)
    return [
        ("flops of the gradient, 10⁶", costs["tenure"][0] / 1e6, costs["hand"][0] / 1e6, "by hand"),
        ("temporary memory, KiB", costs["tenure"][1] / 1024, costs["hand"][1] / 1024, "by hand"),
        ("three steps, ms", step["tenure"] * 1e3, step["hand"] * 1e3, "by hand"),
        ("plan, ms", plans["tenure"] * 1e3, plans["plain"] * 1e3, "without stages"),
        ("trace of the forward pass, ms", traces["tenure"] * 1e3, traces["plain"] * 1e3, "without stages"),
        ("trace of the gradient, ms", grads["tenure"] * 1e3, grads["plain"] * 1e3, "without stages"),
        ("trace of the forward pass, ms", traces["tenure"] * 1e3, traces["hand"] * 1e3, "by hand"),
        ("trace of the gradient, ms", grads["tenure"] * 1e3, grads["hand"] * 1e3, "by hand"),
    ]


def report(rows: list[tuple[str, float, float, str]]) -> str:
    """The rows as a Markdown page."""
    lines = [
        "# What stages cost",
        "",
        "Weight norm and noise on the 48 matrices of an 8-layer Transformer of width 256, against the same arithmetic written by",
        "hand on the params before a model without stages, and against a model without stages. Bars: 1.02 and 1.2.",
        "Made by `python -m benchmarks.weight_stages --out docs/benchmarks-stages.md`.",
        "",
        f"jax {jax.__version__}, {jax.default_backend()}.",
        "",
        "| | Tenure's stages | peer | ratio | peer is |",
        "|---|---:|---:|---:|---|",
    ]
    lines += [f"| {what} | {ours:,.1f} | {peer:,.1f} | {ours / peer:.3f} | {who} |" for what, ours, peer, who in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, and prints the table or writes it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, help="the Markdown file to write; the terminal if left out")
    parser.add_argument("--rounds", type=int, default=15, help="how often each candidate takes its turn (default 15)")
    arguments = parser.parse_args()
    text = report(measure(arguments.rounds))
    if arguments.out is None:
        print(text)
    else:
        temporary = arguments.out.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(arguments.out)


if __name__ == "__main__":
    main()
