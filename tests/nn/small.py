"""Layers on small inputs."""

import jax

import tenure as tn


def run(function, *args, seed=0):
    """The parameters of a function of layers, its state, and what it gives."""
    model = tn.transform_with_state(function)
    params, state = model.init(jax.random.key(seed), *args)
    out, state = model.apply(params, state, jax.random.key(seed + 1), *args)
    return params, state, out


def apply(function, *args):
    """What a function of layers gives."""
    return run(function, *args)[2]
