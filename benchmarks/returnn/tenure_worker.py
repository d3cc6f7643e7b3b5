"""Trains a dictionary with Tenure, or searches with it; told what to do by lines of JSON."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tenure as tn
from benchmarks.returnn import networks, worker
from benchmarks.returnn.networks import Problem
from tenure.network import Tensor, batch_dim, feature_dim, spatial_dim
from tenure.training.freed_memory import keep_freed_memory


def network(problem: Problem) -> Any:
    """The dictionary as a model."""
    time, features = spatial_dim("time"), feature_dim(networks.FEATURES, "features", auto=True)
    labels = feature_dim(problem.labels, "labels", auto=True)
    steps = time if problem.aligned else spatial_dim("steps")
    data = {
        "data": Tensor(None, (batch_dim(), time, features)),
        "classes": Tensor(None, (batch_dim(), steps), labels),
    }
    how = {
        "padding": "legacy",
        "behavior_version": problem.version,
    }  # what is behind sequences as in RETURNN, for the same losses
    return tn.network(problem.net, data, check=False, **how)


def inputs(problem: Problem) -> dict[str, Any]:
    """The batch as a model takes it."""
    given = problem.batch
    batch = {"data": (given["data"], given["data:lengths"])}
    if not problem.search:
        batch["classes"] = given["classes"] if problem.aligned else (given["classes"], given["classes:lengths"])
    return batch


def prepare(name: str, problem: Problem) -> worker.Job:
    """The network, its values, and its compiled step."""
    net, batch = network(problem), inputs(problem)
    flags = {"train": False, "losses": False, "search": True} if problem.search else {"train": True}
    params, state = net.init(jax.random.key(0), batch, **flags)
    given = networks.values({f"{m}/{n}": v.shape for m, entries in params.items() for n, v in entries.items()})
    params = {m: {n: jnp.asarray(given[f"{m}/{n}"]) for n in entries} for m, entries in params.items()}
    return (_searching if problem.search else _training)(net, params, state, batch, flags)


def _training(net: Any, params: Any, state: Any, batch: Any, flags: Any) -> worker.Job:
    optimizer = optax.adam(networks.RATE, eps=1e-16)  # RETURNN's default

    def objective(params: Any, batch: Any) -> Any:
        result, _ = net.apply(params, state, None, batch, **flags)
        return result.objective, {n: (loss.loss, loss.error) for n, loss in result.losses.items()}

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, memory: Any, batch: Any) -> tuple[Any, Any, Any]:
        (loss, told), grads = jax.value_and_grad(objective, has_aux=True)(params, batch)
        updates, memory = optimizer.update(grads, memory)
        return optax.apply_updates(params, updates), memory, (loss, told)

    compiled = step.lower(params, optimizer.init(params), batch).compile()
    kept = [params, optimizer.init(params)]

    def run() -> float:
        *kept[:], told = compiled(*kept, batch)
        return float(jax.device_get(told)[0])

    return worker.Job(run, compiled.cost_analysis()["flops"])


def _searching(net: Any, params: Any, state: Any, batch: Any, flags: Any) -> worker.Job:
    @jax.jit
    def search(params: Any, batch: Any) -> Any:
        result, _ = net.apply(params, state, None, batch, layers=["decision"], **flags)
        return result.outputs["decision"].batch_first().data

    return worker.Job(lambda: np.asarray(search(params, batch)).tolist())


if __name__ == "__main__":
    keep_freed_memory()  # as `tenure train` does
    worker.serve(prepare)
