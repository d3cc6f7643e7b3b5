"""Recorded training steps: the objective before each step, and the parameters after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from tenure.network.model import Network
from tenure.returnn.replay.case import Case
from tenure.training.engine.model import TRAINING, embeddings, filled, flat
from tenure.training.engine.step import State, Steps
from tenure.training.optimizing.updater import Updater, layers_with_options
from tenure.training.rates.dynamic import dynamic


def differences(network: Network, case: Case) -> list[str]:
    """Where our steps differ from RETURNN's."""
    config, values = case.data["config"], case.values()
    batches = [_batch(case, inputs) for inputs in case.data["inputs_per_step"]]
    params, state = (filled(tree, values) for tree in network.init(jax.random.key(0), batches[0]))
    nodes = network.graph(TRAINING).nodes
    updater = Updater(config, network.trainable(), layers_with_options(nodes), embeddings(network))
    steps, now = Steps(network, updater), State(params, state, updater.init(params))
    rate, problems = dynamic(config.get("dynamic_learning_rate")), []
    for number, (fed, expected) in enumerate(zip(batches, case.data["steps"], strict=True)):
        effective = rate(np.float32(config["learning_rate"]), number)
        now, _, objective, _ = steps.train(now, fed, effective, number, jax.random.key(number))
        pairs = {"learning rate": (effective, expected["learning_rate"], 1e-6, 0.0)}
        pairs["objective"] = (objective, expected["objective_before"], 1e-4, 1e-4)
        found, after = flat(now.params), case.data["params_after_step"][number]
        pairs |= {name: (found.get(name), case.array(after[name]), 1e-3, 1e-4) for name in case.data["trainable"]}
        for name, (ours, theirs, rtol, atol) in pairs.items():
            if ours is None or not np.allclose(ours, theirs, rtol, atol):
                problems.append(f"step {number}: {name} differs")
    return problems


def _batch(case: Case, inputs: Mapping[str, Any]) -> dict[str, Any]:
    lengths = {key: case.array(of) if isinstance(of, Mapping) else of for key, of in case.data["seq_lens"].items()}
    return {key: (case.array(of), np.asarray(lengths[key], np.int32)) for key, of in inputs.items()}
