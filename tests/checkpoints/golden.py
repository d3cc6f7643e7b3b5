"""Checkpoints that are kept forever, and what is in them: `python -m tests.checkpoints.golden FOLDER` writes those of today.

A format, once released, is never written anew under its number: the folders under `golden/` stay as they are.
"""

from __future__ import annotations

import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tenure as tn
from tenure import nn
from tests.checkpoints.models import TOKENS, translator

HERE = pathlib.Path(__file__).parent / "golden"


def staged(x):
    """A weight with norm and adapter, a second one in sixteen bits, and a state that a stage keeps."""
    x = nn.Linear(4, name="adapted")(x)
    n = tn.get_state("n", (), jnp.int32, init=jnp.zeros)
    tn.set_state("n", n + 1)
    w = tn.get_parameter("half", (4, 4), jnp.bfloat16, jnp.zeros)
    return x @ w.astype(x.dtype)


STAGES = {"adapted/w": ["weight_norm", "lora(2)", "noise(0.1)"], "half": ["ema(0.9)"]}


def numbers(tree):
    """Values that are known without a random number: each leaf counts on from the one before, in eighths."""
    leaves, structure = jax.tree.flatten(tree)
    filled, start = [], 0
    for leaf in leaves:
        size = int(np.prod(leaf.shape))
        filled.append((jnp.arange(start, start + size) / 8).reshape(leaf.shape).astype(leaf.dtype))
        start += size
    return jax.tree.unflatten(structure, filled)


def cases():
    """Name → what `tn.save` is called with, and the template of the optimizer state."""
    model = tn.transform(translator)
    plan = model.plan(TOKENS)
    optimizer = optax.chain(
        optax.masked(optax.trace(0.9), plan.ledger.mask("mix/*")), optax.inject_hyperparams(optax.adam)(1e-3)
    )
    params = numbers(plan.params)
    opt_state = numbers(jax.eval_shape(optimizer.init, params))
    yield (
        "translator",
        dict(
            plan=plan,
            params=params,
            opt_state=opt_state,
            step=12,
            key={"data": jax.random.key(3), "old": jax.random.PRNGKey(4)},
            metadata={"note": "naïve", "curve": [1.5, None]},
        ),
    )
    net = tn.transform_with_state(staged, stages=STAGES)
    plan = net.plan(jnp.ones((2, 3)))
    yield "staged", dict(plan=plan, params=numbers(plan.params), state=numbers(plan.state))
    plan = model.plan(TOKENS)
    params = numbers(plan.params)
    opt_state = numbers(jax.eval_shape(optax.adam(1e-3).init, params))
    arguments = dict(plan=plan, params=params, opt_state=opt_state, step=5, key=jax.random.key(3), metadata={"a": 1})
    yield "sharded", arguments  # written by two processes: `tests/checkpoints/sharded_worker.py`


if __name__ == "__main__":
    for name, arguments in list(cases())[:-1]:
        print(tn.save(pathlib.Path(sys.argv[1]) / name, **arguments))
