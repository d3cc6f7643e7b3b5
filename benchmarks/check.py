"""Do all the models compute the same thing? A table of models that differ would compare nothing."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.models import REFERENCE, Config, Peer, make
from benchmarks.models.common import INIT_SCALE, HandParams, Params, random_tokens

TOLERANCE = 1e-5


class DifferentMaths(Exception):
    """Two models that were to be compared do not compute the same function, or start from different distributions."""


def check_peers(names: list[str], config: Config) -> dict[str, float]:
    """Raise `DifferentMaths` unless all models agree; return each one's loss on the same values."""
    config = replace(config, layers=min(config.layers, 2))
    return {name: loss for stacked in (True, False) for name, loss in _check(names, replace(config, stacked=stacked))}


def _check(names: list[str], config: Config) -> list[tuple[str, float]]:
    tokens = random_tokens(jax.random.key(1), config)
    values = perturbed(make(REFERENCE, replace(config, stacked=False)).init(jax.random.key(0)), jax.random.key(2))
    expected = None
    losses = []
    for name in names if REFERENCE in names else [REFERENCE, *names]:
        peer = make(name, config)
        drawn = peer.init(jax.random.key(3))
        params = peer.convert(values)
        _check_structure(name, drawn, params)
        _check_distribution(name, drawn)
        loss, gradient_norm = evaluate(peer, params, tokens)
        expected = expected or (loss, gradient_norm)
        _compare(name, "loss", loss, expected[0])
        _compare(name, "norm of the gradient", gradient_norm, expected[1])
        losses.append((name, loss))
    return losses


def perturbed(params: HandParams, key: jax.Array) -> HandParams:
    """Values away from 0 and 1, so that a swapped or dropped bias or scale shows."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [x + 0.1 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, noisy)


def evaluate(peer: Peer, params: Params, tokens: jax.Array) -> tuple[float, float]:
    """Loss, and global norm of its gradient (which no layout of the parameters changes)."""
    loss, gradient = jax.jit(jax.value_and_grad(peer.loss))(params, tokens)
    return float(loss), float(jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient))))


def _compare(name: str, what: str, value: float, expected: float) -> None:
    if not abs(value - expected) <= TOLERANCE * abs(expected):
        raise DifferentMaths(f"{name}: the {what} is {value!r}, but {expected!r} in {REFERENCE}")


def _check_structure(name: str, drawn: Params, converted: Params) -> None:
    ours, theirs = (jax.tree.map(jnp.shape, p) for p in (converted, drawn))
    if jax.tree.structure(converted) != jax.tree.structure(drawn) or ours != theirs:
        raise DifferentMaths(f"{name}: converted parameters look unlike initialised ones:\n{ours}\n{theirs}")


def _check_distribution(name: str, drawn: Params) -> None:
    """Every matrix is drawn with the same scale; every vector is zeros or ones."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(drawn):
        x = np.asarray(leaf)
        # Flax's biases of shape [heads, size], and stacked vectors, are constant too.
        constant = np.all(x == 0) or np.all(x == 1)
        if not constant and not 0.85 * INIT_SCALE < x.std() < 1.15 * INIT_SCALE:
            raise DifferentMaths(f"{name}: {jax.tree_util.keystr(path)} is drawn with scale {x.std():.4f}")
