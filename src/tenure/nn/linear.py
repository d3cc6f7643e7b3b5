"""Affine maps of the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.parameters import get_parameter
from tenure.core.run.profile import library
from tenure.functional import affine
from tenure.initializers import Initializer, TruncatedNormal
from tenure.nn.axis_names import Names, named
from tenure.nn.traced import traced_once


@traced_once("precision")
def _map(x: jax.Array, w: jax.Array, b: jax.Array | None, *, precision: jax.lax.PrecisionLike) -> jax.Array:
    return affine(x, w, b, precision=precision)


class Linear(Module):
    """`x @ w + b`.

    Owns `w` [inputs, outputs] and, unless `with_bias=False`, `b` [outputs].

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: Linear(3)(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((2, 4)))
    >>> {name: w.shape for name, w in params["linear"].items()}
    {'w': (4, 3), 'b': (3,)}
    """

    def __init__(
        self,
        output_size: int,
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the map; the number of inputs is known at the first call, and then also as `input_size`.

        Args:
          output_size: the number of outputs.
          with_bias: whether to add `b`.
          w_init: by default a truncated normal distribution with standard deviation `inputs ** -0.5`.
          b_init: by default zeros.
          name: of the module.
        """
        super().__init__(name=name)
        self.axes: Names = (None, None)
        self.input_size: int | None = None
        self.output_size = output_size
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros

    def __call__(self, inputs: jax.Array, *, precision: jax.lax.PrecisionLike = None) -> jax.Array:
        """Maps [..., inputs] to [..., outputs].

        Raises:
          ValueError: the input is a scalar.
        """
        if not inputs.shape:
            raise ValueError(f"{library()}.Linear maps the last axis of its input, and a scalar has none")
        x = jnp.asarray(inputs)
        self.input_size = x.shape[-1]
        return _map(x, *_weights(self, x.dtype), precision=precision)

    def weights(self, inputs: int, dtype: Any = jnp.float32) -> tuple[jax.Array, jax.Array | None]:
        """The parameters without a call: `w` [inputs, outputs] and `b` [outputs], which is None without a bias.

        Args:
          inputs: the number of inputs.
          dtype: of the parameters.

        >>> import tenure as tn
        >>> tn.transform(lambda: Linear(3).weights(2)).plan().out[0].shape
        (2, 3)
        """
        self.input_size = inputs
        return _weights(self, dtype)


def _weights(layer: Linear, dtype: Any) -> tuple[jax.Array, jax.Array | None]:
    """The parameters of a layer whose input's size is known, and which is being run."""
    inputs, w_init = layer.input_size, layer.w_init
    assert inputs is not None
    if w_init is None:
        w_init = TruncatedNormal(1.0 / np.sqrt(inputs))
    both = named(*layer.axes) if any(layer.axes) else None
    w = get_parameter("w", (inputs, layer.output_size), dtype, w_init, axes=both)
    if not layer.with_bias:
        return w, None
    return w, get_parameter("b", (layer.output_size,), dtype, layer.b_init, axes=both and named(layer.axes[1]))


class Bias(Module):
    """Adds a learned array `b` to all or to some of the axes after the first, the batch.

    >>> import tenure as tn
    >>> def shape_of(bias_dims):
    ...     model = tn.transform(lambda x: Bias(bias_dims=bias_dims)(x))
    ...     return model.init(None, jnp.ones((1, 2, 3, 4)))["bias"]["b"].shape
    >>> shape_of(None), shape_of([-1]), shape_of([1]), shape_of([])
    ((2, 3, 4), (4,), (2, 1, 1), ())
    """

    def __init__(
        self,
        output_size: Sequence[int] | None = None,
        bias_dims: Sequence[int] | None = None,
        b_init: Initializer | None = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the bias.

        Args:
          output_size: the input's shape without the batch, to be checked; None takes any.
          bias_dims: the axes along which the bias varies; None means all but the batch.
          b_init: by default zeros.
          name: of the module.
        """
        super().__init__(name=name)
        self.output_size = output_size
        self.bias_dims = bias_dims
        self.b_init = b_init or jnp.zeros
        self.bias_shape: tuple[int, ...] | None = None

    def __call__(self, inputs: jax.Array, multiplier: float | jax.Array | None = None) -> jax.Array:
        """`inputs + b`, or `inputs + b * multiplier`: -1 takes away what was added elsewhere.

        Raises:
          ValueError: the input has one axis only, another shape than `output_size`, or not all of `bias_dims`.
        """
        if inputs.ndim < 2:
            raise ValueError(f"{library()}.Bias needs a batch axis and at least one more, not shape {inputs.shape}")
        if self.output_size is not None and tuple(self.output_size) != inputs.shape[1:]:
            raise ValueError(f"Input shape must be {(-1, *self.output_size)} for this bias, not {inputs.shape}")
        self.input_size = inputs.shape[1:]
        self.bias_shape = _bias_shape(inputs.shape, self.bias_dims)
        b = get_parameter("b", self.bias_shape, inputs.dtype, self.b_init)
        b = jnp.broadcast_to(b, inputs.shape)
        return inputs + (b if multiplier is None else b * multiplier)


def _bias_shape(shape: Sequence[int], dims: Sequence[int] | None) -> tuple[int, ...]:
    """The input's sizes along `dims` and 1 elsewhere, without 1s in front."""
    if dims is None:
        return tuple(shape[1:])
    rank = len(shape)
    chosen = {dim % rank if dim < 0 else dim for dim in dims}
    if 0 in chosen:
        raise ValueError(f"bias_dims={tuple(dims)}: a bias cannot vary along the batch axis")
    if any(dim >= rank for dim in chosen):
        raise ValueError(f"Dimension {max(chosen)} (bias_dims={tuple(dims)}) out of range for input of rank {rank}")
    sizes = [size if dim in chosen else 1 for dim, size in enumerate(shape)]
    start = next((dim for dim in range(1, rank) if sizes[dim] != 1), rank)
    return tuple(sizes[start:])
