"""The searches of `loop_networks`, written by hand in JAX, with the same values; told what to do by lines of JSON.

A beam's hypotheses are rows of matrices beside the batch; what the encoder gave has no axis for them.
"""

from __future__ import annotations

import functools
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


def best(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The K largest entries of rows [B, n], of equal ones the first, and where they are: in the blocks with the K largest maxima."""
    size = 60
    _, blocks = jax.lax.top_k(x.reshape(len(x), -1, size).max(-1), K)
    places = (jnp.sort(blocks)[..., None] * size + jnp.arange(size)).reshape(len(x), -1)
    found, at = jax.lax.top_k(jnp.take_along_axis(x, places, 1, mode="promise_in_bounds"), K)
    return found, jnp.take_along_axis(places, at, 1, mode="promise_in_bounds")


def search(step: Step, state: Any, kept: Any = None) -> jax.Array:
    """The labels [B, steps] of the best hypothesis.

    Args:
      step: of labels [B, K], a state [B, K, ...] and what is kept, and the step's number; logits [B, K, labels], and both anew.
      state: before the first step; it follows the hypotheses.
      kept: likewise, but it stays as it is.
    """
    n, B = sizes.STEPS, len(jax.tree.leaves(state)[0])
    rows = jnp.arange(B)[:, None]

    def going(carry: Any) -> Any:
        t, _, _, ended, *_ = carry
        return (t < n) & ~jnp.all(ended)

    def body(carry: Any) -> Any:
        t, labels, scores, ended, (state, kept), found, back = carry
        logits, (state, kept) = step(labels, (state, kept), t)
        rated = jax.nn.log_softmax(logits)
        filler = jnp.where(jnp.arange(sizes.LABELS) == 0, 0.0, -1e30)
        scores = jnp.where(ended, scores * (t + 1) / jnp.maximum(t, 1), scores)
        rated = scores[..., None] + jnp.where(ended[..., None], filler, rated)
        scores, index = best(rated.reshape(B, -1))
        source, labels = index // sizes.LABELS, index % sizes.LABELS
        state = jax.tree.map(lambda x: x[rows, source], state)
        ended = ended[rows, source] | (labels == 0)
        found, back = found.at[t].set(labels), back.at[t].set(source)
        return t + 1, labels, scores, ended, (state, kept), found, back

    room = jnp.zeros((n, B, K), jnp.int32)
    scores = jnp.where(jnp.arange(K) == 0, 0.0, -jnp.inf)
    first = (0, room[0], jnp.tile(scores, (B, 1)), jnp.zeros((B, K), bool), (state, kept), room, room)
    *_, found, back = jax.lax.while_loop(going, body, first)

    def trace(at: Any, x: Any) -> Any:
        labels, source = x
        return source[rows[:, 0], at], labels[rows[:, 0], at]

    first = jnp.zeros(B, jnp.int32)  # the best one is there
    return jax.lax.scan(trace, first, (found, back), reverse=True)[1].T


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
        (h, c, att, accum), kept = state
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
        return logits, ((h, c, att, accum + weights * fertility[:, None]), kept)

    zeros = jnp.zeros((B, K, sizes.UNITS))
    return search(step, (zeros, zeros, jnp.zeros((B, K, 2 * sizes.BLSTM)), jnp.zeros((B, K, T))))


def normed(p: Params, name: str, x: Any) -> Any:
    """Layer norm over the last axis."""
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6) * p[f"{name}/scale"] + p[f"{name}/bias"]


def seen(q: Any, ancestors: Any, t: Any, blocks: Any) -> Any:
    """What queries [B, heads, K, d] see of earlier steps, in blocks of keys [B, heads, d, steps * K] and values, the same turned.

    Each is compared with all keys, and takes those of its ancestors [B, K, steps].
    """
    B, heads, _, _ = q.shape
    energies, parts, start, y = [], [], 0, 0
    for keys, _ in blocks:
        rows = ancestors[:, :, start : start + keys.shape[3] // K]
        energy = jnp.einsum("bhkd,bhdr->bhkr", q, keys).reshape(B, heads, K, -1, K)
        energies.append(jnp.take_along_axis(energy, rows[:, None, ..., None], -1, mode="promise_in_bounds")[..., 0])
        parts.append((start, rows))
        start += rows.shape[2]
    weights = jax.nn.softmax(jnp.where(jnp.arange(start) <= t, jnp.concatenate(energies, -1), -jnp.inf))
    for (start, rows), (_, values) in zip(parts, blocks, strict=True):
        own = weights[..., start : start + rows.shape[2], None]
        of_all = jnp.where(rows[:, None, ..., None] == jnp.arange(K), own, 0)
        y += jnp.einsum("bhkr,bhrd->bhkd", of_all.reshape(B, heads, K, -1), values)
    return y


def remembered(q: Any, k: Any, v: Any, ancestors: Any, t: Any, blocks: Any) -> tuple[Any, Any]:
    """What queries [B, K, heads, d] see, and the blocks with the keys and values of this step; only those in use are looked at."""
    q, k, v = (x.swapaxes(1, 2) for x in (q, k, v))
    new, ways, start, used = [], [], 0, 0
    for pair in blocks:
        size, block = pair[0].shape[3] // K, []
        inside, at = (t >= start) & (t < start + size), jnp.clip(t - start, 0, size - 1) * K
        for old, x, axis in zip(pair, (k.swapaxes(2, 3), v), (3, 2), strict=True):
            x = jnp.where(inside, x, jax.lax.dynamic_slice_in_dim(old, at, K, axis))
            block.append(jax.lax.dynamic_update_slice_in_dim(old, x, at, axis))
        new.append(tuple(block))
        ways.append(functools.partial(_seen_in, len(new)))
        used += (t >= start).astype(jnp.int32)
        start += size
    y = jax.lax.switch(used - 1, ways, q, ancestors, t, new)
    return y.swapaxes(1, 2), new


def _seen_in(number: int, q: Any, ancestors: Any, t: Any, blocks: Any) -> Any:
    return seen(q, ancestors, t, blocks[:number])


def transformer(p: Params, x: Any, lengths: Any) -> jax.Array:
    """The search of `loop_networks.transformer`; keys and values of earlier steps stay where they are, in blocks."""
    n, heads, width = sizes.STEPS, sizes.HEADS, sizes.WIDTH
    B, keep = len(x), jnp.arange(T) < lengths[:, None]
    enc = jax.nn.relu(x @ p["encoder/W"] + p["encoder/b"])
    q = {k.removeprefix("output/rec/"): v for k, v in p.items()}
    blocks = range(sizes.BLOCKS)
    keys, values = ([(enc @ p[f"{w}0_{i}/W"]).reshape(B, T, heads, -1) for i in blocks] for w in ("key", "value"))
    keys, values = [k.transpose(0, 2, 3, 1) for k in keys], [v.swapaxes(1, 2) for v in values]
    scale = (width / heads) ** -0.5

    def step(labels: Any, state: Any, t: Any) -> tuple[Any, Any]:
        ancestors, kept = state
        x, new = q["embed/W"][labels], []
        ancestors = ancestors.at[:, :, t].set(jnp.arange(K))
        for i in blocks:
            qkv = (normed(q, f"self_norm{i}", x) @ q[f"self{i}/QKV"]).reshape(B, K, heads, 3, -1)
            y, past = remembered(qkv[..., 0, :] * scale, qkv[..., 1, :], qkv[..., 2, :], ancestors, t, kept[i])
            x = x + y.reshape(B, K, width) @ q[f"self_out{i}/W"]
            query = (normed(q, f"norm{i}", x) @ q[f"query0_{i}/W"]).reshape(B, K, heads, -1).swapaxes(1, 2)
            energy = jnp.einsum("bhkd,bhdt->bhkt", query, keys[i]) * scale
            weights = jax.nn.softmax(jnp.where(keep[:, None, None], energy, -jnp.inf))
            y = jnp.einsum("bhkt,bhtd->bhkd", weights, values[i]).swapaxes(1, 2).reshape(B, K, width)
            x = x + y @ q[f"att{i}/W"]
            y = jax.nn.relu(normed(q, f"ff_norm{i}", x) @ q[f"ff1_{i}/W"] + q[f"ff1_{i}/b"])
            x = x + y @ q[f"ff2_{i}/W"] + q[f"ff2_{i}/b"]
            new.append(past)
        return normed(q, "norm", x) @ q["output_prob/W"] + q["output_prob/b"], (ancestors, new)

    def room(*shape: int) -> Any:
        return jnp.zeros((B, heads, *shape))

    d, parts = width // heads, [min(8, n - start) * K for start in range(0, n, 8)]
    kept = [[(room(d, m), room(m, d)) for m in parts] for _ in blocks]
    return search(step, jnp.zeros((B, K, n), jnp.int32), kept)


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
