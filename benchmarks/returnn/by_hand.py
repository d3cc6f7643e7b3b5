"""The searches of `loop_networks`, written by hand in JAX, with the same values; told what to do by lines of JSON.

A beam's hypotheses are rows of matrices beside the batch; what the encoder gave has no axis for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.returnn import loop_networks as sizes
from benchmarks.returnn import networks, worker
from benchmarks.returnn.networks import Problem

Params = dict[str, Any]
Step = Callable[[Any, Any, Any], tuple[Any, Any]]
K, T = sizes.BEAM, sizes.FRAMES


def search(step: Step, state: Any) -> jax.Array:
    """The labels [B, steps] of the best hypothesis.

    Args:
      step: of labels [B, K], a state [B, K, ...] and the step's number; logits [B, K, labels] and the next state.
      state: before the first step.
    """
    n, B = sizes.STEPS, len(jax.tree.leaves(state)[0])
    rows = jnp.arange(B)[:, None]

    def going(carry: Any) -> Any:
        t, _, _, ended, *_ = carry
        return (t < n) & ~jnp.all(ended)

    def body(carry: Any) -> Any:
        t, labels, scores, ended, state, found, back = carry
        logits, state = step(labels, state, t)
        rated = jax.nn.log_softmax(logits)
        filler = jnp.where(jnp.arange(sizes.LABELS) == 0, 0.0, -1e30)
        scores = jnp.where(ended, scores * (t + 1) / jnp.maximum(t, 1), scores)
        rated = scores[..., None] + jnp.where(ended[..., None], filler, rated)
        scores, index = jax.lax.top_k(rated.reshape(B, -1), K)
        source, labels = index // sizes.LABELS, index % sizes.LABELS
        state = jax.tree.map(lambda x: x[rows, source], state)
        ended = ended[rows, source] | (labels == 0)
        found, back = found.at[t].set(labels), back.at[t].set(source)
        return t + 1, labels, scores, ended, state, found, back

    room = jnp.zeros((n, B, K), jnp.int32)
    scores = jnp.where(jnp.arange(K) == 0, 0.0, -jnp.inf)
    first = (0, room[0], jnp.tile(scores, (B, 1)), jnp.zeros((B, K), bool), state, room, room)
    *_, found, back = jax.lax.while_loop(going, body, first)

    def trace(at: Any, x: Any) -> Any:
        labels, source = x
        return source[rows[:, 0], at], labels[rows[:, 0], at]

    best = jnp.zeros(B, jnp.int32)  # top_k has it first
    return jax.lax.scan(trace, best, (found, back), reverse=True)[1].T


def lstm(gates: Any, c: Any) -> tuple[Any, Any]:
    """Output and cells, from gates in the order candidate, input, forget, output."""
    g, i, f, o = jnp.split(gates, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def over_time(p: Params, name: str, x: Any, keep: Any, reverse: bool) -> Any:
    """An LSTM over [T, B, F]."""

    def step(carry: Any, x: Any) -> Any:
        gates, keep = x
        h, c = lstm(gates + carry[0] @ p[f"{name}/rec/W_re"], carry[1])
        new = jax.tree.map(lambda a, b: jnp.where(keep[:, None], a, b), (h, c), carry)
        return new, jnp.where(keep[:, None], h, 0)

    zeros = jnp.zeros((x.shape[1], sizes.BLSTM))
    gates = x @ p[f"{name}/rec/W"] + p[f"{name}/rec/b"]
    return jax.lax.scan(step, (zeros, zeros), (gates, keep), reverse=reverse)[1]


def attention(p: Params, x: Any, lengths: Any) -> jax.Array:
    """The search of `loop_networks.attention`."""
    B, keep = len(x), jnp.arange(T)[:, None] < lengths
    x = jnp.where(keep[..., None], x.swapaxes(0, 1), 0)
    sides = [over_time(p, f"{name}0", x, keep, name == "bw") for name in ("fw", "bw")]
    enc, keep = jnp.concatenate(sides, -1).swapaxes(0, 1), keep.T
    ctx = enc @ p["enc_ctx/W"] + p["enc_ctx/b"]
    fertility = jax.nn.sigmoid(enc @ p["inv_fertility/W"])[..., 0] * 0.5
    q = {k.removeprefix("output/rec/"): v for k, v in p.items()}

    def step(labels: Any, state: Any, t: Any) -> tuple[Any, Any]:
        h, c, att, accum = state
        embed = jnp.where(t > 0, q["embed/W"][labels], 0)
        gates = jnp.concatenate([embed, att], -1) @ q["s/rec/W"] + h @ q["s/rec/W_re"] + q["s/rec/b"]
        h, c = lstm(gates, c)
        query = h @ q["s_transformed/W"]
        sums = ctx[:, None] + accum[..., None] * q["weight_feedback/W"][0] + query[:, :, None]
        energy = (jnp.tanh(sums) @ q["energy/W"])[..., 0]
        weights = jax.nn.softmax(jnp.where(keep[:, None], energy, -jnp.inf))
        att = jnp.einsum("bkt,btf->bkf", weights, enc)
        inside = jnp.concatenate([h, embed, att], -1)
        readout = jax.nn.relu(inside @ q["readout/W"] + q["readout/b"])
        logits = readout @ q["output_prob/W"] + q["output_prob/b"]
        return logits, (h, c, att, accum + weights * fertility[:, None])

    zeros = jnp.zeros((B, K, sizes.UNITS))
    return search(step, (zeros, zeros, jnp.zeros((B, K, 2 * sizes.BLSTM)), jnp.zeros((B, K, T))))


def normed(p: Params, name: str, x: Any) -> Any:
    """Layer norm over the last axis."""
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6) * p[f"{name}/scale"] + p[f"{name}/bias"]


def transformer(p: Params, x: Any, lengths: Any) -> jax.Array:
    """The search of `loop_networks.transformer`; keys and values of earlier steps follow their hypotheses."""
    n, heads, width = sizes.STEPS, sizes.HEADS, sizes.WIDTH
    B, keep = len(x), jnp.arange(T) < lengths[:, None]
    enc = jax.nn.relu(x @ p["encoder/W"] + p["encoder/b"])
    q = {k.removeprefix("output/rec/"): v for k, v in p.items()}
    blocks = range(sizes.BLOCKS)
    keys, values = ([(enc @ p[f"{w}0_{i}/W"]).reshape(B, T, heads, -1) for i in blocks] for w in ("key", "value"))
    scale = (width / heads) ** -0.5

    def step(labels: Any, state: Any, t: Any) -> tuple[Any, Any]:
        x, new = q["embed/W"][labels], []
        for i in blocks:
            qkv = (normed(q, f"self_norm{i}", x) @ q[f"self{i}/QKV"]).reshape(B, K, heads, 3, -1)
            past = [old.at[:, :, :, t].set(qkv[..., j, :]) for j, old in ((1, state[i][0]), (2, state[i][1]))]
            energy = jnp.einsum("bkhd,bkhtd->bkht", qkv[..., 0, :] * scale, past[0])
            weights = jax.nn.softmax(jnp.where(jnp.arange(n) <= t, energy, -jnp.inf))
            y = jnp.einsum("bkht,bkhtd->bkhd", weights, past[1]).reshape(B, K, width)
            x = x + y @ q[f"self_out{i}/W"]
            query = (normed(q, f"norm{i}", x) @ q[f"query0_{i}/W"]).reshape(B, K, heads, -1)
            energy = jnp.einsum("bkhd,bthd->bhkt", query, keys[i]) * scale
            weights = jax.nn.softmax(jnp.where(keep[:, None, None], energy, -jnp.inf))
            y = jnp.einsum("bhkt,bthd->bkhd", weights, values[i]).reshape(B, K, width)
            x = x + y @ q[f"att{i}/W"]
            y = jax.nn.relu(normed(q, f"ff_norm{i}", x) @ q[f"ff1_{i}/W"] + q[f"ff1_{i}/b"])
            x = x + y @ q[f"ff2_{i}/W"] + q[f"ff2_{i}/b"]
            new.append(tuple(past))
        return normed(q, "norm", x) @ q["output_prob/W"] + q["output_prob/b"], new

    room = jnp.zeros((B, K, heads, n, width // heads))
    return search(step, [(room, room) for _ in blocks])


MODELS = {"attention decoder": attention, "Transformer decoder": transformer}


def prepare(name: str, problem: Problem) -> worker.Job:
    """The compiled search, with the values of the dictionary's parameters."""
    from benchmarks.returnn.tenure_worker import inputs, network

    batch = inputs(problem)
    flags = {"train": False, "losses": False, "search": True}
    params, _ = jax.eval_shape(lambda: network(problem).init(jax.random.key(0), batch, **flags))
    shapes = {f"{m}/{n}": v.shape for m, entries in params.items() for n, v in entries.items()}
    given = {k: jnp.asarray(v) for k, v in networks.values(shapes).items()}
    run = jax.jit(MODELS[name])
    return worker.Job(lambda: np.asarray(run(given, *batch["data"])).tolist())


if __name__ == "__main__":
    worker.serve(prepare)
