"""Trains a dictionary with Tenure; told what to do by lines of JSON."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

import tenure as tn
from benchmarks.returnn import networks, worker
from tenure.network import Tensor, batch_dim, feature_dim, spatial_dim


def prepare(name: str, size: networks.Size) -> worker.Job:
    """The network, its values, and its compiled step."""
    time, features = spatial_dim("time"), feature_dim(networks.FEATURES, "features", auto=True)
    labels = feature_dim(size.labels, "labels", auto=True)
    data = {
        "data": Tensor(None, (batch_dim(), time, features)),
        "classes": Tensor(None, (batch_dim(), time), labels),
    }
    net = tn.network(networks.NETWORKS[name](size), data, check=False)
    x, y, lengths = networks.batch(size)
    batch = {"data": (x, lengths), "classes": y}
    params, state = net.init(jax.random.key(0), batch)
    shapes = {f"{m}/{n}": v.shape for m, entries in params.items() for n, v in entries.items()}
    given = networks.values(shapes)
    params = {m: {n: jnp.asarray(given[f"{m}/{n}"]) for n in entries} for m, entries in params.items()}

    optimizer = optax.adam(networks.RATE, eps=1e-16)  # RETURNN's default

    def objective(params: Any, x: Any, y: Any, lengths: Any) -> Any:
        result, _ = net.apply(params, state, None, {"data": (x, lengths), "classes": y}, train=True)
        return result.objective, {n: (loss.loss, loss.error) for n, loss in result.losses.items()}

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, memory: Any, x: Any, y: Any, lengths: Any) -> tuple[Any, Any, Any]:
        (loss, told), grads = jax.value_and_grad(objective, has_aux=True)(params, x, y, lengths)
        updates, memory = optimizer.update(grads, memory)
        return optax.apply_updates(params, updates), memory, (loss, told)

    flops = step.lower(params, optimizer.init(params), x, y, lengths).compile().cost_analysis()["flops"]
    kept = [params, optimizer.init(params)]

    def run() -> float:
        *kept[:], told = step(*kept, x, y, lengths)
        return float(jax.device_get(told)[0])

    return worker.Job(run, flops)


if __name__ == "__main__":
    worker.serve(prepare)
