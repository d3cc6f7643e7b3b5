"""Normalisation within one example: layer, RMS, instance and group norm."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import transparent
from tenure.core.run.parameters import get_parameter
from tenure.core.run.profile import reproduces
from tenure.functional import standardised
from tenure.functional.norm import root_mean_square
from tenure.initializers import Initializer
from tenure.nn.axes import AxisOrAxes, absolute, as_axes, get_channel_index, parameter_shape
from tenure.nn.axis_names import along_channels
from tenure.nn.traced import traced_once


def check_creates(create_scale: bool, create_offset: bool, scale: object, offset: object, what: str) -> None:
    """Raises ValueError where a scale or an offset comes from two sides, or an initialiser has nothing to initialise.

    `what` is "scale_init" for arguments of the constructor and "scale" for those of a call.
    """
    at_call = what == "scale"
    for name, creates, value in (("scale", create_scale, scale), ("offset", create_offset, offset)):
        if value is None or bool(creates) != at_call:
            continue
        if at_call:
            raise ValueError(f"Cannot pass `{name}` at call time if `create_{name}=True`. One of them is enough.")
        raise ValueError(f"Cannot set `{name}_init` if `create_{name}=False`. It has nothing to initialise.")


@traced_once("axis", "eps", "fast", "once")
def _normalise(x: jax.Array, scale: Any, offset: Any, *, axis: Any, eps: float, fast: bool, once: bool) -> jax.Array:
    """The layer's maths; with `once`, the input is centred once, which is fewer operations after compiling."""
    if jax.config.jax_numpy_rank_promotion != "allow":  # type: ignore[attr-defined]
        scale, offset = (jnp.broadcast_to(a, x.shape) for a in (scale, offset))
    return standardised(x, axis, eps, scale, offset, fast=fast, twice=not once)


class LayerNorm(Module):
    """Subtracts the mean and divides by the standard deviation over `axis`, then scales and shifts.

    Owns `scale` and `offset`, if it creates them; their shape is [C] for `param_axis=-1`, otherwise it has the input's
    sizes along `param_axis` and 1 elsewhere.

    Source: Ba et al. 2016, https://arxiv.org/abs/1607.06450.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: LayerNorm(-1, True, True)(x))
    >>> params = model.init(None, x := jnp.array([[1.0, 3.0]]))
    >>> model.apply(params, None, x).round(3)
    Array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: AxisOrAxes,
        create_scale: bool,
        create_offset: bool,
        eps: float = 1e-5,
        scale_init: Initializer | None = None,
        offset_init: Initializer | None = None,
        use_fast_variance: bool = False,
        name: str | None = None,
        *,
        param_axis: AxisOrAxes | None = None,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the norm.

        Args:
          axis: what mean and variance are taken over.
          create_scale: whether to own a scale.
          create_offset: whether to own an offset.
          eps: is added to the variance.
          scale_init: by default ones.
          offset_init: by default zeros.
          use_fast_variance: `E[x²] - E[x]²` for the variance: faster, and less exact where the mean is large.
          name: of the module.
          param_axis: along which axes scale and offset vary; None means the last.

        Raises:
          ValueError: an initialiser for what is not created, or `axis` is none.
        """
        super().__init__(name=name)
        check_creates(create_scale, create_offset, scale_init, offset_init, "scale_init")
        self.axis = as_axes(axis)
        self.param_axis = (-1,) if param_axis is None else as_axes(param_axis)
        self.eps = eps
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.scale_init = scale_init or jnp.ones
        self.offset_init = offset_init or jnp.zeros
        self.use_fast_variance = use_fast_variance

    def __call__(self, inputs: jax.Array, scale: jax.Array | None = None, offset: jax.Array | None = None) -> jax.Array:
        """Normalises an array of any shape.

        Args:
          inputs: the array.
          scale, offset: arrays that broadcast to it, where the module does not create its own.

        Raises:
          ValueError: a scale or an offset is given and also created.
        """
        check_creates(self.create_scale, self.create_offset, scale, offset, "scale")
        x = jnp.asarray(inputs)
        axis = absolute(self.axis, x.ndim)
        scale, offset = self._scale_and_offset(x, scale, offset)
        once = not reproduces()
        return _normalise(x, scale, offset, axis=axis, eps=self.eps, fast=self.use_fast_variance, once=once)

    @transparent
    def _scale_and_offset(self, x: jax.Array, scale: jax.Array | None, offset: jax.Array | None) -> tuple:
        shape = parameter_shape(x.shape, absolute(self.param_axis, x.ndim))
        if self.create_scale:
            scale = get_parameter("scale", shape, x.dtype, self.scale_init, axes=along_channels(shape, "norm"))
        if self.create_offset:
            offset = get_parameter("offset", shape, x.dtype, self.offset_init, axes=along_channels(shape, "norm"))
        one, zero = np.array(1.0, x.dtype), np.array(0.0, x.dtype)
        return one if scale is None else scale, zero if offset is None else offset


class InstanceNorm(LayerNorm):
    """Layer norm over the spatial axes of each channel: all but the batch and the channels.

    Source: Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: InstanceNorm(True, True)(x))
    >>> model.init(None, jnp.ones((2, 5, 5, 3)))["instance_norm"]["scale"].shape
    (3,)
    """

    def __init__(
        self,
        create_scale: bool,
        create_offset: bool,
        eps: float = 1e-5,
        scale_init: Initializer | None = None,
        offset_init: Initializer | None = None,
        data_format: str = "channels_last",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """As `LayerNorm`, with the axes that `data_format` implies; see `get_channel_index`."""
        channels = get_channel_index(data_format)
        super().__init__(
            slice(2, None) if channels == 1 else slice(1, -1),
            create_scale,
            create_offset,
            eps,
            scale_init,
            offset_init,
            name=name,
            param_axis=channels,
        )


class RMSNorm(Module):
    """Divides by the root of the mean square over `axis`, and scales. The mean stays.

    Owns `scale`, of the shape that `LayerNorm` gives it.

    Source: Zhang & Sennrich 2019, https://arxiv.org/abs/1910.07467.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: RMSNorm(-1)(x))
    >>> params = model.init(None, x := jnp.array([[7.0, -7.0]]))
    >>> model.apply(params, None, x).round(3)
    Array([[ 1., -1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: AxisOrAxes,
        eps: float = 1e-5,
        scale_init: Initializer | None = None,
        name: str | None = None,
        create_scale: bool = True,
        *,
        param_axis: AxisOrAxes | None = None,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the norm; the arguments mean what they do for `LayerNorm`.

        Args:
          axis: what the mean of squares is taken over.
          eps: is added to it.
          scale_init: by default ones.
          name: of the module.
          create_scale: whether to own a scale.
          param_axis: along which axes the scale varies; None means the last.

        Raises:
          ValueError: an initialiser for what is not created, or `axis` is none.
        """
        super().__init__(name=name)
        check_creates(create_scale, False, scale_init, None, "scale_init")
        self.axis = as_axes(axis)
        self.param_axis = (-1,) if param_axis is None else as_axes(param_axis)
        self.eps = eps
        self.create_scale = create_scale
        self.scale_init = scale_init or jnp.ones

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Normalises an array of any shape."""
        x = jnp.asarray(inputs)
        scale: jax.Array | float = 1.0
        if self.create_scale:
            shape = parameter_shape(x.shape, absolute(self.param_axis, x.ndim))
            own = get_parameter("scale", shape, x.dtype, self.scale_init, axes=along_channels(shape, "norm"))
            scale = jnp.broadcast_to(own, x.shape)
        return root_mean_square(x * scale, x, absolute(self.axis, x.ndim), self.eps)
