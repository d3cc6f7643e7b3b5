"""Functions that give numpy values for numpy values, and JAX arrays otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import TenureError
from tenure.network import bounds

# TensorFlow 1's words for arguments, and those of today.
OLD_WORDS = {
    "keep_dims": "keepdims",
    "reduction_indices": "axis",
    "dimension": "axis",
    "input_tensor": "x",
    "input": "x",
    "tensor": "x",
    "features": "x",
    "logits": "x",
    "value": "x",
    "values": "x",
}


class UnknownTensorFlowError(TenureError):
    """A TensorFlow name, or an argument of it, that is not mapped."""


class DType(str):
    """A dtype as TensorFlow names it, which is a dtype for numpy and JAX as well.

    >>> np.zeros(2, DType("int32")).dtype == DType("int32"), DType("int32").max
    (True, 2147483647)
    """

    __slots__ = ()
    __expression_names__ = frozenset({"as_numpy_dtype", "is_floating", "is_integer", "max", "min", "name"})

    @property
    def name(self) -> str:
        """Its name."""
        return str(self)

    @property
    def as_numpy_dtype(self) -> str:
        """Itself."""
        return self

    @property
    def is_floating(self) -> bool:
        """Whether it is a type of real numbers."""
        return bool(jnp.issubdtype(jnp.dtype(str(self)), jnp.floating))

    @property
    def is_integer(self) -> bool:
        """Whether it is a type of integers."""
        return bool(jnp.issubdtype(jnp.dtype(str(self)), jnp.integer))

    def _info(self) -> Any:
        return (jnp.finfo if self.is_floating else jnp.iinfo)(jnp.dtype(str(self)))

    @property
    def max(self) -> Any:
        """The largest number."""
        return self._info().max

    @property
    def min(self) -> Any:
        """The lowest number."""
        return self._info().min


def dtype_of(dtype: Any) -> Any:
    """The dtype that JAX gives for this one: without 64 bits unless they are switched on."""
    return jax.dtypes.canonicalize_dtype(str(dtype) if isinstance(dtype, str) else dtype)


def is_static(*values: Any) -> bool:
    """Whether all of these are known without running a program.

    >>> is_static(1, (2, np.int32(3)), None), is_static([jnp.ones(2)])
    (True, False)
    """
    return not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values))


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape given as a number, a sequence of numbers or an array of numbers.

    Raises:
      UnknownTensorFlowError: it depends on what the program computes.
    """
    if not is_static(shape):
        leaves = jax.tree.leaves(shape)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            raise UnknownTensorFlowError(
                "a shape that depends on computed values",
                ways=["take sizes from tf.shape(x), which are known, instead of from sequence lengths"],
            )
    return tuple(int(size) for size in np.reshape(np.asarray(shape), -1))


def plain(value: Any) -> Any:
    """A numpy result as the rest of an expression wants it: numbers plain, arrays of JAX's dtypes."""
    if isinstance(value, np.ndarray | np.generic):
        if value.ndim == 0:
            return value.item()
        return value.astype(jax.dtypes.canonicalize_dtype(value.dtype))
    return value


def either(name: str, numpy_name: str | None = None, order: tuple[str, ...] = ("x", "y")) -> Callable[..., Any]:
    """The function of this name: numpy's for what is known, JAX's otherwise.

    Args:
      name: in `jax.numpy`.
      numpy_name: in `numpy`, if another.
      order: the names of its positional arguments, for keyword calls.
    """
    on_numpy, on_jax = getattr(np, numpy_name or name), getattr(jnp, name)

    def call(*args: Any, **keywords: Any) -> Any:
        args, keywords = adapt(args, keywords, order)
        bounds.broadcast(*args)
        return plain(on_numpy(*args, **keywords)) if is_static(args) else on_jax(*map(array, args), **keywords)

    return call


def array(value: Any) -> Any:
    """Sequences as arrays; all else unchanged, plain numbers above all, which take the other operand's dtype."""
    bounds.spelled(value)
    return jnp.asarray(value) if isinstance(value, list | tuple | np.ndarray) else value


def adapt(
    args: tuple[Any, ...], keywords: dict[str, Any], order: tuple[str, ...]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A TensorFlow call's arguments as numpy's: old words replaced, `name` dropped, `x` and `y` by position."""
    keywords = {OLD_WORDS.get(key, key): value for key, value in keywords.items() if key != "name"}
    rest = [keywords.pop(key) for key in order[len(args) :] if key in keywords]
    args = (*args, *rest)
    if "axis" in order:  # known, not an array; and what comes after it has other places in numpy
        at = order.index("axis")
        args, keywords = args[:at], keywords | dict(zip(order[at:], args[at:], strict=False))
    axis = keywords.get("axis")
    if isinstance(axis, list | np.ndarray):
        keywords["axis"] = tuple(int(a) for a in np.reshape(axis, -1))
    return args, keywords


def on_jax(function: Callable[..., Any], order: tuple[str, ...] = ("x", "y")) -> Callable[..., Any]:
    """A function of arrays, called with TensorFlow's arguments."""

    def call(*args: Any, **keywords: Any) -> Any:
        args, keywords = adapt(args, keywords, order)
        return function(
            *(jnp.asarray(a, dtype_of(float)) if isinstance(a, float) else array(a) for a in args), **keywords
        )

    return call
