"""Element by element: arithmetic, comparison, functions of one number, and activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network.tf.static import UnknownTensorFlowError, dtype_of, either, is_static, on_jax, plain
from tenure.network.tf.words import Words, choose

Function = Callable[..., Any]

_SAME_NAME = [
    "abs",
    "exp",
    "log",
    "log1p",
    "expm1",
    "sqrt",
    "square",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "sign",
    "floor",
    "ceil",
    "logical_not",
    "real",
    "imag",
    "conj",
    "angle",
    "maximum",
    "minimum",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "add",
    "subtract",
    "multiply",
    "negative",
]
_OTHER_NAME = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "floordiv": "floor_divide",
    "floormod": "mod",
    "is_finite": "isfinite",
    "is_inf": "isinf",
    "is_nan": "isnan",
    "mod": "mod",
    "pow": "power",
    "rint": "rint",
    "round": "rint",
}


def truediv(x: Any, y: Any) -> Any:
    """`x / y`, of integers too."""
    return plain(np.true_divide(x, y)) if is_static(x, y) else jnp.true_divide(x, y)


def div(x: Any, y: Any) -> Any:
    """Division as in Python 2: rounded down for integers."""
    whole = all(jnp.issubdtype(jnp.result_type(v), jnp.integer) for v in (x, y))
    if is_static(x, y):
        return plain(np.floor_divide(x, y) if whole else np.true_divide(x, y))
    return jnp.floor_divide(x, y) if whole else jnp.true_divide(x, y)


def divide_no_nan(x: Any, y: Any) -> jax.Array:
    """`x / y`, and 0 where y is 0."""
    zero = jnp.equal(y, 0)
    return jnp.where(zero, 0, jnp.true_divide(x, jnp.where(zero, 1, y)))


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """`t` between two bounds."""
    return minimum(maximum(t, clip_value_min), clip_value_max)


maximum, minimum = either("maximum"), either("minimum")


def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> jax.Array:
    """Leaky rectifier with TensorFlow's slope."""
    return jax.nn.leaky_relu(features, alpha)


def gelu(features: Any, approximate: bool = False, name: str | None = None) -> jax.Array:
    """Gaussian error linear unit, https://arxiv.org/abs/1606.08415."""
    return jax.nn.gelu(features, approximate=approximate)


def safe_log(x: Any, eps: float = 1e-20, use_fake_grad: bool = True) -> jax.Array:
    """The logarithm of at least `eps`; the gradient is not zero below it, so that what is too small can grow."""
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(dtype_of(float))
    return _safe_log(x, eps) if use_fake_grad else jnp.log(jnp.maximum(x, eps))


@jax.custom_jvp
def _safe_log(x: jax.Array, low: float) -> jax.Array:
    return jnp.log(jnp.maximum(x, low))


@_safe_log.defjvp
def _safe_log_jvp(primals: Any, tangents: Any) -> Any:
    (x, low), (x_dot, _) = primals, tangents
    return _safe_log(x, low), x_dot / jnp.maximum(x, low)


def safe_exp(x: Any, eps: float = 1e-20) -> jax.Array:
    """The exponential of `x` between the logarithms of `eps` and 1 / `eps`; the gradient is not cut."""
    x = jnp.asarray(x)
    bound = float(np.log(eps))
    return jnp.exp(x + jax.lax.stop_gradient(jnp.clip(x, bound, -bound) - x))


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> jax.Array:
    """`x` where the condition holds, else `y`. A condition with fewer axes, all leading ones, selects whole rows.

    Without `x` and `y` the places where it holds are asked for, [number, axes]; the condition must be known.
    """
    if x is None and y is None:
        if isinstance(condition, jax.core.Tracer):
            raise UnknownTensorFlowError(
                "tf.where of a computed condition alone has no known size",
                ways=["tf.where(condition, x, y)", "tf.reduce_sum(tf.cast(condition, tf.int32)) is how often it holds"],
            )
        return jnp.argwhere(jnp.asarray(condition))
    if isinstance(x, Words) or isinstance(y, Words):
        return choose(condition, x, y)
    if x is None or y is None:
        raise UnknownTensorFlowError("tf.where with one of 'x' and 'y' alone", ways=["tf.where(condition, x, y)"])
    condition = jnp.asarray(condition)
    ndim = max(jnp.ndim(x), jnp.ndim(y))
    if 0 < condition.ndim < ndim and condition.shape == jnp.shape(x)[: condition.ndim]:
        condition = condition.reshape(condition.shape + (1,) * (ndim - condition.ndim))
    return jnp.where(condition, x, y)


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """`x` in another dtype."""
    to = dtype_of(dtype)
    if is_static(x):
        return np.asarray(x).astype(to) if np.ndim(x) else plain(np.asarray(x).astype(to))
    return jnp.asarray(x).astype(to)


def table() -> dict[str, Function]:
    """All of them by TensorFlow's name."""
    found: dict[str, Function] = {name: either(name) for name in _SAME_NAME}
    found.update({name: either(to) for name, to in _OTHER_NAME.items()})
    found.update({"neg": found["negative"], "truediv": truediv, "realdiv": truediv, "divide": truediv, "div": div})
    found.update(
        cast=cast,
        clip_by_value=clip_by_value,
        digamma=on_jax(jax.scipy.special.digamma),
        div_no_nan=divide_no_nan,
        divide_no_nan=divide_no_nan,
        erf=on_jax(jax.scipy.special.erf),
        lgamma=on_jax(jax.scipy.special.gammaln),
        log_sigmoid=on_jax(jax.nn.log_sigmoid),
        reciprocal=on_jax(lambda x: 1 / x),
        rsqrt=on_jax(jax.lax.rsqrt),
        sigmoid=on_jax(jax.nn.sigmoid),
        softplus=on_jax(jax.nn.softplus),
        squared_difference=on_jax(lambda x, y: jnp.square(x - y)),
        where=where,
    )
    return found


ACTIVATIONS: dict[str, Function] = {
    "elu": on_jax(jax.nn.elu),
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "relu": on_jax(jax.nn.relu),
    "relu6": on_jax(jax.nn.relu6),
    "selu": on_jax(jax.nn.selu),
    "silu": on_jax(jax.nn.silu),
    "softsign": on_jax(jax.nn.soft_sign),
    "swish": on_jax(jax.nn.silu),
}

# RETURNN's own, which activations and `eval` strings may use by their bare names.
OWN: dict[str, Function] = {
    "gelu2": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "gelu3": lambda x: jax.nn.gelu(x, approximate=False),
    "safe_exp": safe_exp,
    "safe_log": safe_log,
    "py_print": lambda x, *_, **__: x,
    "where_bc": choose,
}
