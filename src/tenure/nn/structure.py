"""Modules and functions that arrange others: one after the other, or with axes merged for a while."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run.module import Module, Share, Stages
from tenure.functional.explicit_mesh import reshaped


class Sequential(Module):
    """Calls one layer after the other; the first one also takes all further arguments of the call.

    >>> import tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: nn.Sequential([nn.Linear(8), jax.nn.relu, nn.Linear(3)])(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((2, 4)))
    >>> list(params), model.apply(params, None, jnp.ones((2, 4))).shape
    (['linear', 'linear_1'], (2, 3))
    """

    def __init__(
        self,
        layers: Iterable[Callable[..., Any]],
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        super().__init__(name=name)
        self.layers = tuple(layers)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The last layer's result; the input itself if there are no layers."""
        if not self.layers:
            return inputs
        first, *others = self.layers
        return functools.reduce(lambda x, layer: layer(x), others, first(inputs, *args, **kwargs))


class Reshape(Module):
    """Gives the axes after the first `preserve_dims` another shape.

    >>> import tenure as tn
    >>> x = jnp.ones((2, 3, 4, 5))
    >>> tn.transform(lambda x: Reshape((-1, 5))(x)).apply({}, None, x).shape
    (2, 12, 5)
    >>> tn.transform(lambda x: Reshape((20,), preserve_dims=-2)(x)).apply({}, None, x).shape
    (2, 3, 20)
    """

    def __init__(
        self,
        output_shape: Sequence[int],
        preserve_dims: int = 1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the shape.

        Args:
          output_shape: of the axes that are replaced; one size may be -1, which is what remains.
          preserve_dims: how many axes stay as they are; if negative, how many are replaced.
          name: of the module.

        Raises:
          ValueError: `preserve_dims=0`, or two sizes of -1.
        """
        super().__init__(name=name)
        if preserve_dims == 0:
            raise ValueError("Argument preserve_dims should be non-zero. It counts axes from one end.")
        if tuple(output_shape).count(-1) > 1:
            raise ValueError(f"only one size can be -1: {tuple(output_shape)}")
        self.output_shape = tuple(output_shape)
        self.preserve_dims = preserve_dims

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Reshapes; an input that has no further axes is returned as it is."""
        if inputs.ndim <= self.preserve_dims:
            return inputs
        size = math.prod(inputs.shape[self.preserve_dims :])
        known = abs(math.prod(self.output_shape))
        shape = tuple(size // known if n == -1 else n for n in self.output_shape)
        return reshaped(inputs, (*inputs.shape[: self.preserve_dims], *shape), self.preserve_dims % inputs.ndim)


class Flatten(Reshape):
    """Makes one axis of all after the first `preserve_dims`.

    >>> import tenure as tn
    >>> tn.transform(lambda x: Flatten()(x)).apply({}, None, jnp.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, preserve_dims: int = 1, name: str | None = None, *, share: Share = None, stages: Stages = None):
        super().__init__((-1,), preserve_dims, name)


class BatchApply:
    """Calls a function with its inputs' first axes merged in one, and splits that axis of its results again.

    Inputs with fewer axes are passed as they are.

    >>> BatchApply(lambda x: x.sum(0, keepdims=True) + jnp.zeros_like(x))(jnp.ones((2, 3, 4)))[0, 0]
    Array([6., 6., 6., 6.], dtype=float32)
    """

    def __init__(self, f: Callable[..., Any], num_dims: int = 2):
        """Describes the call.

        Args:
          f: the function, or a module.
          num_dims: how many axes are merged.
        """
        self._f = f
        self.num_dims = num_dims

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function.

        Raises:
          ValueError: no input has that many axes.
        """
        n = self.num_dims
        large = [leaf for leaf in jax.tree.leaves((args, kwargs)) if np.ndim(leaf) >= n]
        if not large:
            raise ValueError(f"BatchApply requires at least one input with at least {n} axes to merge")
        lead = tuple(np.shape(large[0])[:n])

        def merge(x: Any) -> Any:
            return x.reshape(math.prod(x.shape[:n]), *x.shape[n:]) if np.ndim(x) >= n else x

        args, kwargs = jax.tree.map(merge, (args, kwargs))
        return jax.tree.map(lambda x: x.reshape(*lead, *x.shape[1:]), self._f(*args, **kwargs))


def expand_apply(f: Callable[..., Any], axis: int = 0) -> Callable[..., Any]:
    """The function, for inputs and results that lack its first (`axis=0`) or last (`axis=-1`) axis.

    Args:
      f: the function.
      axis: 0 or -1.

    Raises:
      ValueError: another axis.

    >>> expand_apply(lambda x: x.sum(-1))(jnp.ones((3, 4))).shape
    (3,)
    """
    if axis not in (0, -1):
        raise ValueError(f"expand_apply only supports axis=0 or axis=-1, not {axis}")

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = jax.tree.map(lambda x: jnp.expand_dims(x, axis), (args, kwargs))
        return jax.tree.map(lambda x: jnp.squeeze(x, axis), f(*args, **kwargs))

    return wrapped


def one_hot(x: jax.Array, num_classes: int, dtype: Any = jnp.float32) -> jax.Array:
    """Integers [...] as vectors [..., num_classes] with a single 1.

    Args:
      x: integers [...]; those outside [0, num_classes) give zeros.
      num_classes: the length of the vectors.
      dtype: of the vectors.

    >>> one_hot(jnp.array([0, 2]), 3)
    Array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    return jax.nn.one_hot(x, num_classes).astype(dtype)
