"""The optimizers, each as an optax transformation that takes the learning rate as an argument of `update`.

Where optax has the same numbers, they are optax's; elsewhere they follow TensorFlow's definitions, which RETURNN trains with: Adam adds
epsilon to the uncorrected root, for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax

from tenure.core.errors import brief, nearest
from tenure.training.errors import ConfigError
from tenure.training.optimizing.older import adasecant

EPSILON = 1e-16  # RETURNN's default of optimizer_epsilon
Direction: TypeAlias = optax.GradientTransformationExtraArgs


def _of(init: Callable[[Any], Any], update: Callable[..., Any]) -> Direction:
    return optax.GradientTransformationExtraArgs(init, update)


def _zeros(params: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, params)


def _adam(beta1: float, beta2: float, epsilon: float, nesterov: bool, decay: float = 0.0) -> Direction:
    def init(params: Any) -> Any:
        return {"count": jnp.zeros((), jnp.int32), "m": _zeros(params), "v": _zeros(params)}

    def update(grads: Any, state: Any, params: Any, *, learning_rate: Any, **_: Any) -> Any:
        count = state["count"] + 1
        m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state["m"], grads)
        v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * jnp.square(g), state["v"], grads)
        rate = learning_rate * jnp.sqrt(1 - beta2**count) / (1 - beta1**count)
        ahead = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, grads) if nesterov else m
        updates = jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + epsilon), ahead, v)
        if decay:
            updates = jax.tree.map(lambda u, p: u - learning_rate * decay * p, updates, params)
        return updates, {"count": count, "m": m, "v": v}

    return _of(init, update)


def _scaled(inner: optax.GradientTransformation) -> Direction:
    """Optax's direction, times the learning rate."""
    inner = optax.with_extra_args_support(inner)

    def update(grads: Any, state: Any, params: Any, *, learning_rate: Any, **_: Any) -> Any:
        directions, state = inner.update(grads, state, params)
        return jax.tree.map(lambda d: -learning_rate * d, directions), state

    return _of(inner.init, update)


def _rmsprop(decay: float, momentum: float, epsilon: float, centered: bool) -> Direction:
    scale = optax.scale_by_stddev if centered else optax.scale_by_rms
    first = scale(decay, epsilon, initial_scale=1.0)

    def init(params: Any) -> Any:
        return {"scale": first.init(params), "momentum": _zeros(params)}

    def update(grads: Any, state: Any, params: Any, *, learning_rate: Any, **_: Any) -> Any:
        directions, scales = first.update(grads, state["scale"], params)
        moved = jax.tree.map(lambda m, d: momentum * m + learning_rate * d, state["momentum"], directions)
        return jax.tree.map(jnp.negative, moved), {"scale": scales, "momentum": moved}

    return _of(init, update)


def _smorms3(epsilon: float) -> Direction:
    """Squared mean over mean squared: https://sifter.org/~simon/journal/20150420.html (Funk 2015).

    The rate of each entry is at most the share of its mean squared gradient that the square of its mean gradient is; the
    smaller that share, the longer both means remember.
    """

    def init(params: Any) -> Any:
        return {
            "memory": jax.tree.map(jnp.ones_like, params),
            "mean": _zeros(params),
            "square": _zeros(params),
        }

    def update(grads: Any, state: Any, params: Any, *, learning_rate: Any, **_: Any) -> Any:
        share = jax.tree.map(lambda memory: 1 / (memory + 1), state["memory"])
        mean = jax.tree.map(lambda m, r, g: (1 - r) * m + r * g, state["mean"], share, grads)
        square = jax.tree.map(lambda s, r, g: (1 - r) * s + r * jnp.square(g), state["square"], share, grads)
        sure = jax.tree.map(lambda m, s: jnp.square(m) / (s + epsilon), mean, square)
        updates = jax.tree.map(
            lambda g, x, s: -g * jnp.minimum(learning_rate, x) / (jnp.sqrt(s) + epsilon), grads, sure, square
        )
        memory = jax.tree.map(lambda memory, x: 1 + memory * (1 - x), state["memory"], sure)
        return updates, {"memory": memory, "mean": mean, "square": square}

    return _of(init, update)


def _ftrl(power: float, start: float, l1: float, l2: float) -> Direction:
    def init(params: Any) -> Any:
        return {"squares": jax.tree.map(lambda p: jnp.full_like(p, start), params), "linear": _zeros(params)}

    def update(grads: Any, state: Any, params: Any, *, learning_rate: Any, **_: Any) -> Any:
        squares = jax.tree.map(lambda n, g: n + jnp.square(g), state["squares"], grads)
        linear = jax.tree.map(
            lambda z, g, old, new, p: z + g - (new**-power - old**-power) / learning_rate * p,
            *(state["linear"], grads, state["squares"], squares, params),
        )

        def moved(z: Any, n: Any, p: Any) -> Any:
            quadratic = n**-power / learning_rate + 2 * l2
            return jnp.where(jnp.abs(z) > l1, (jnp.sign(z) * l1 - z) / quadratic, 0.0) - p

        return jax.tree.map(moved, linear, squares, params), {"squares": squares, "linear": linear}

    return _of(init, update)


def _by_agreement(beta1: float, factor: float) -> Direction:
    """The gradient where it agrees with its mean so far, a share of it elsewhere."""

    def update(grads: Any, state: Any, params: Any, *, learning_rate: Any, **_: Any) -> Any:
        mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state, grads)
        share = jax.tree.map(lambda m, g: jnp.where(jnp.sign(m) * jnp.sign(g) < 0, factor, 1.0), mean, grads)
        return jax.tree.map(lambda g, s: -learning_rate * g * s, grads, share), mean

    return _of(_zeros, update)


def _by_variance(beta1: float, beta2: float, epsilon: float) -> Direction:
    """The gradient, less of it where it is farther from its mean so far than gradients usually are."""

    def init(params: Any) -> Any:
        return {"mean": _zeros(params), "variance": _zeros(params)}

    def update(grads: Any, state: Any, params: Any, *, learning_rate: Any, **_: Any) -> Any:
        mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state["mean"], grads)
        now = jax.tree.map(lambda m, g: jnp.square(g - m), mean, grads)
        variance = jax.tree.map(lambda v, n: beta2 * v + (1 - beta2) * n, state["variance"], now)
        updates = jax.tree.map(
            lambda g, v, n: -learning_rate * g * jnp.minimum(v / (n + epsilon), 1.0), grads, variance, now
        )
        return updates, {"mean": mean, "variance": variance}

    return _of(init, update)


def _normalised() -> optax.GradientTransformation:
    """Each parameter's gradient divided by its norm."""
    return optax.stateless(
        lambda grads, _: jax.tree.map(lambda g: g / jnp.sqrt(jnp.maximum(jnp.sum(g * g), 1e-12)), grads)
    )


# Name → (its options with their values where a config says nothing, what makes it of them).
_KINDS: dict[str, tuple[dict[str, Any], Callable[..., Direction]]] = {
    "gradientdescent": ({}, lambda: _scaled(optax.identity())),
    "normalizedsgd": ({}, lambda: _scaled(_normalised())),
    "momentum": (
        {"momentum": 0.0, "use_nesterov": False},
        lambda momentum, use_nesterov: _scaled(optax.trace(momentum, use_nesterov)),
    ),
    "adam": (
        {"beta1": 0.9, "beta2": 0.999, "epsilon": EPSILON},
        lambda beta1, beta2, epsilon: _adam(beta1, beta2, epsilon, nesterov=False),
    ),
    "nadam": (
        {"beta1": 0.9, "beta2": 0.999, "epsilon": EPSILON},
        lambda beta1, beta2, epsilon: _adam(beta1, beta2, epsilon, nesterov=True),
    ),
    "adamw": (
        {"beta1": 0.9, "beta2": 0.999, "epsilon": EPSILON, "weight_decay": 0.0},
        lambda beta1, beta2, epsilon, weight_decay: _adam(beta1, beta2, epsilon, False, weight_decay),
    ),
    "adagrad": (
        {"initial_accumulator_value": 0.1},
        lambda initial_accumulator_value: _scaled(optax.scale_by_rss(initial_accumulator_value, eps=0.0)),
    ),
    "adadelta": (
        {"rho": 0.95, "epsilon": EPSILON},
        lambda rho, epsilon: _scaled(optax.scale_by_adadelta(rho, epsilon)),
    ),
    "rmsprop": ({"decay": 0.9, "momentum": 0.0, "epsilon": EPSILON, "centered": False}, _rmsprop),
    "ftrl": (
        {
            "learning_rate_power": -0.5,
            "initial_accumulator_value": 0.1,
            "l1_regularization_strength": 0.0,
            "l2_regularization_strength": 0.0,
        },
        lambda **o: _ftrl(*o.values()),
    ),
    "smorms3": ({"epsilon": EPSILON}, _smorms3),
    "adasecant": ({}, adasecant),
    "neuraloptimizer1": (
        {"beta1": 0.9, "decrease_factor": 0.1},
        lambda beta1, decrease_factor: _by_agreement(beta1, decrease_factor),
    ),
    "gradvariancescaled": ({"beta1": 0.9, "beta2": 0.999, "epsilon": EPSILON}, _by_variance),
}
_OTHER_NAMES = {"sgd": "gradientdescent", "": "gradientdescent"}
_ELSEWHERE = {"use_locking", "name"}  # without meaning here


# What TensorFlow's optimizers leave alone where a gradient is one of some rows: the other rows, or also the state that belongs to them.
LAZY = {"nadam": "rows", **dict.fromkeys(("momentum", "rmsprop", "adadelta", "ftrl"), "state")}


def name_of(given: Any) -> str:
    """The plain name of an optimizer's class.

    >>> name_of("NadamOptimizer"), name_of("SGD")
    ('nadam', 'gradientdescent')
    """
    name = str(given).lower().removesuffix("optimizer")
    return _OTHER_NAMES.get(name, name)


def kind(options: Mapping[str, Any], epsilon: float | None = None) -> tuple[Direction, float]:
    """The transformation that a config's `optimizer` stands for, and what it multiplies the learning rate with.

    Args:
      options: with "class".
      epsilon: the config's optimizer_epsilon, for those that have one.

    Raises:
      ConfigError: the class or an option is unknown.

    >>> kind({"class": "adam", "beta": 0.8})
    Traceback (most recent call last):
    tenure.training.errors.ConfigError: optimizer 'adam' has no option 'beta'
    ...
    """
    wanted = dict(options)
    given = wanted.pop("class", "gradientdescent")
    multiplier = float(wanted.pop("learning_rate_multiplier", 1.0))
    name = name_of(given)
    if name not in _KINDS:
        raise ConfigError(f"optimizer {brief(given)} is not known", near=nearest(name, _KINDS), ways=list(_KINDS))
    defaults, make = _KINDS[name]
    for key in wanted.keys() - defaults.keys() - _ELSEWHERE:
        raise ConfigError(f"optimizer {name!r} has no option {key!r}", near=nearest(key, defaults), ways=list(defaults))
    values = {**defaults, **({"epsilon": epsilon} if epsilon is not None and "epsilon" in defaults else {})}
    return make(**{key: wanted.get(key, value) for key, value in values.items()}), multiplier
