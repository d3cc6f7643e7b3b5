"""Two optimizers of RETURNN's Theano time, whose TensorFlow backend does not know their keys: AdaSecant, and momentum of updates."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

_EPSILON = 1e-7
_DECAY, _LARGEST_GAMMA, _LARGEST_RATE = 0.75, 1.8, 50.0
_SHORTEST, _LONGEST, _AFTER_AN_OUTLIER = 1.5, 1e8, 2.2
_ZERO = ("mean_square_step", "mean_step")
_SMALL = (
    *("gamma_over", "gamma_under", "covariance", "mean", "mean_square", "corrected", "gradient"),
    *("curvature", "curvature_square"),
)


def with_momentum(
    inner: optax.GradientTransformationExtraArgs, momentum: float
) -> optax.GradientTransformationExtraArgs:
    """The inner optimizer's update and a share of the last one (`momentum2`): the learning rate is in what is remembered.

    >>> import optax
    >>> sgd = optax.with_extra_args_support(optax.sgd(0.1))
    >>> both = with_momentum(sgd, 0.5)
    >>> state = both.init(1.0)
    >>> for _ in range(2):
    ...     update, state = both.update(jnp.array(1.0), state)
    >>> round(float(update), 3)
    -0.15
    """

    def init(params: Any) -> Any:
        return {"inner": inner.init(params), "last": jax.tree.map(jnp.zeros_like, params)}

    def update(grads: Any, state: Any, params: Any = None, **more: Any) -> Any:
        updates, now = inner.update(grads, state["inner"], params, **more)
        updates = jax.tree.map(lambda u, last: u + momentum * last, updates, state["last"])
        return updates, {"inner": now, "last": updates}

    return optax.GradientTransformationExtraArgs(init, update)


def adasecant() -> optax.GradientTransformationExtraArgs:
    """AdaSecant (Gülçehre and Bengio 2014, https://arxiv.org/abs/1412.7419), with the constants of RETURNN's Theano backend.

    Each entry's step is the gradient, corrected towards its mean, times a rate from the ratio of past steps to changes of the
    gradient. Averages reach back over a time that each entry has for itself, and that is short again after an outlier.
    """

    def init(params: Any) -> Any:
        def start(p: Any) -> dict[str, Any]:
            small = {name: jnp.full_like(p, _EPSILON) for name in _SMALL}
            return (
                small | {name: jnp.zeros_like(p) for name in _ZERO} | {"time": jnp.full_like(p, 2.1 * (1 + _EPSILON))}
            )

        leaves = [start(p) for p in jax.tree.leaves(params)]
        return {"count": jnp.zeros((), jnp.int32), "of": jax.tree.unflatten(jax.tree.structure(params), leaves)}

    def update(grads: Any, state: Any, params: Any = None, *, learning_rate: Any, **_: Any) -> Any:
        found = jax.tree.map(lambda g, of: _moved(g, of, learning_rate, state["count"]), grads, state["of"])
        steps, states = (jax.tree.map(lambda _, both, i=i: both[i], grads, found) for i in (0, 1))
        return steps, {"count": state["count"] + 1, "of": states}

    return optax.GradientTransformationExtraArgs(init, update)


def _moved(g: Any, of: dict[str, Any], rate: Any, count: Any) -> tuple[Any, dict[str, Any]]:
    """The step of one parameter, and its averages after it."""
    g = g / (jnp.sqrt(jnp.sum(g * g)) + _EPSILON)
    time, first = of["time"], count == 0

    def average(old: Any, new: Any) -> Any:
        return old * (1 - 1 / time) + new / time

    mean = of["mean"] * _DECAY + g * (1 - _DECAY)
    mean_square = of["mean_square"] * _DECAY + jnp.square(g) * (1 - _DECAY)
    corrected, gammas = _corrected(g, mean, of, average, count)
    change = g - of["gradient"]
    curvature, curvature_square = average(of["curvature"], change), average(of["curvature_square"], jnp.square(change))
    last_square = jnp.where(first, jnp.square(g), of["mean_square_step"])
    last = jnp.where(first, g, of["mean_step"])
    ratio = jnp.sqrt(last_square + rate) / jnp.sqrt(curvature_square + rate)
    step = -jnp.clip(ratio - of["covariance"] / (curvature_square + rate), -_LARGEST_RATE, _LARGEST_RATE) * corrected
    longer = (1 - jnp.square(last) / (last_square + _EPSILON)) * time + 1 + _EPSILON
    outlier = jnp.abs(g - mean) > 2 * jnp.sqrt(mean_square - jnp.square(mean))
    outlier |= jnp.abs(change - curvature) > 2 * jnp.sqrt(curvature_square - jnp.square(curvature))
    return step, {
        **gammas,
        "time": jnp.clip(jnp.where(outlier, _AFTER_AN_OUTLIER, longer), _SHORTEST, _LONGEST),
        "mean": mean,
        "mean_square": mean_square,
        "corrected": corrected,
        "gradient": g,
        "curvature": curvature,
        "curvature_square": curvature_square,
        "covariance": average(of["covariance"], step * change),
        "mean_square_step": average(last_square, jnp.square(step)),
        "mean_step": average(of["mean_step"], step),
    }


def _corrected(g: Any, mean: Any, of: dict[str, Any], average: Any, count: Any) -> tuple[Any, dict[str, Any]]:
    """The gradient drawn towards its mean, from the second step on, and what tells how far."""
    over, under = of["gamma_over"], of["gamma_under"]
    gamma = jnp.minimum(jnp.sqrt(over) / jnp.sqrt(under + _EPSILON), _LARGEST_GAMMA)
    old = of["corrected"]
    after = {
        "gamma_over": average(over, jnp.square((g - old) * (old - mean))),
        "gamma_under": average(under, jnp.square((mean - g) * (old - mean))),
    }
    return jnp.where(count >= 1, (g + gamma * mean) / (1 + gamma), g), after
