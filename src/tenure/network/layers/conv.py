"""Convolution and its transposition."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.export import is_symbolic_dim

from tenure import functional
from tenure.network import activations, layout, ops, sizes, versions
from tenure.network.dims import Dim
from tenure.network.layer import layer
from tenure.network.layers import windows
from tenure.network.layers.shape import permuted
from tenure.network.output import Output
from tenure.network.tensor import Tensor

_LETTERS = ("W", "HW", "DHW")


@layer("conv")
class Conv(windows.Sliding):
    """Convolution over one to three axes; other axes than batch, positions and features are like the batch.

    Parameters: `W` (*filter_size, in / groups, out), `bias` (out).

    Input [B, *positions, F], output [B, *positions', n_out], positions' as window, stride and padding leave them.
    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    def forward(
        self,
        source: Tensor,
        *,
        filter_size: Any,
        padding: Any,
        strides: Any = 1,
        dilation_rate: Any = 1,
        groups: int = 1,
        input_expand_dims: int = 0,
        input_add_feature_dim: bool = False,
        input_split_feature_dim: int | None = None,
        in_spatial_dims: Any = None,
        out_spatial_dims: Any = None,
        auto_use_channel_first: Any = None,
        with_bias: bool | None = None,
        activation: Any = None,
        forward_weights_init: Any = "glorot_uniform",
        bias_init: Any = 0.0,
        filter: Tensor | None = None,
        filter_perm: Any = None,
        bias: Tensor | None = None,
        use_time_mask: bool | None = None,
        pad_seq_len_to_power: float | None = None,
    ) -> Output:
        w = windows.window(self, filter_size, strides, dilation_rate, padding, "filter_size")
        x, spatial = windows.expanded(
            self, source, in_spatial_dims, input_expand_dims, input_add_feature_dim, input_split_feature_dim
        )
        x, first = windows.arrange(self, x, len(w.sizes), spatial)
        x = windows.masked(x, first, len(w.sizes), 0.0) if self.masks(use_time_mask) else x
        positions = x.dims[first:-1]
        out = self._out_dim()
        in_dim = x.dims[-1]
        if in_dim.root.size is None or in_dim.root.size % groups or (out.root.size or 0) % groups:
            raise self.error("groups", groups, f"{in_dim!r} and {out!r} cannot be divided by it")
        narrow = in_dim // groups if groups != 1 else in_dim
        if filter is None:
            weights = self.param("W", (*w.sizes, narrow.root.size or 0, out), forward_weights_init)
        else:
            weights = self._given(filter, filter_size, filter_perm, narrow, out)
        pads = windows.paddings(w, positions, x.shape[first:-1])
        if not self.takes_padding_in and use_time_mask is not False:
            x, pads = windows.from_own_starts(x, first, w, pads, 0.0)
        data = convolve(windows.merged_batch(x, first), weights, w, pads, groups)
        y = windows.rebuilt(x, data, first, windows.out_dims(self, w, positions, out_spatial_dims), out)
        if bias is not None:
            y = y.like(y.data + ops.aligned(bias, y.dims))
        elif versions.at_least(versions.CONV_BIAS_DEFAULT) if with_bias is None else with_bias:
            y = y.like(y.data + self.param("bias", (out,), bias_init))
        return activations.apply(self, y, activation)

    def _out_dim(self) -> Dim:
        return self.feature_out() if self.node.get("out_dim") is not None else self._channels()

    def _channels(self) -> Dim:
        n_out = self.node.get("n_out")
        if n_out is None:
            return self.feature_out()
        if isinstance(n_out, bool) or not isinstance(n_out, int) or n_out < 0:
            raise self.error("n_out", n_out, "a number of channels is needed")
        return self.new_dim("channel", n_out, "feature")

    def _given(self, filter: Tensor, sizes: Any, perm: Any, narrow: Dim, out: Dim) -> jax.Array:
        """The weights, where another layer gives them."""
        filter = filter if perm is None else permuted(self, filter, perm, "filter_perm")
        wanted = [*(s for s in sizes if isinstance(s, Dim)), narrow, out]
        places = ops.match(filter.dims, wanted)
        if None in places:
            raise self.error("filter", self.node.get("filter"), f"{filter!r} lacks one of {wanted}")
        others = [i for i in range(filter.ndim) if i not in places]
        return filter.transpose([*others, *places]).data  # type: ignore[list-item]


def convolve(
    x: jax.Array, w: jax.Array, window: windows.Window, padding: list[windows.Pair], groups: int = 1
) -> jax.Array:
    """Convolution of (batch, *positions, in) with (*window, in / groups, out)."""
    for i, (before, after) in enumerate(padding):
        if is_symbolic_dim(before) or is_symbolic_dim(after):
            x, padding = sizes.lengthened(x, i + 1, before, after), [*padding[:i], (0, 0), *padding[i + 1 :]]
    letters = _LETTERS[len(window.sizes) - 1]
    numbers = jax.lax.conv_dimension_numbers(x.shape, w.shape, (f"N{letters}C", f"{letters}IO", f"N{letters}C"))
    return functional.convolve(
        x,
        w,
        window.strides,
        padding,
        rhs_dilation=window.dilations,
        dimension_numbers=numbers,
        feature_group_count=groups,
    )


@layer("pool")
class Pool(windows.Sliding):
    """The maximum, or the average, in a sliding window; at the edges the average is of what is inside.

    Input [B, *positions, F], output [B, *positions', F], positions' as window, stride and padding leave them.
    """

    def forward(
        self,
        source: Tensor,
        *,
        mode: str,
        pool_size: Any,
        padding: Any = "VALID",
        dilation_rate: Any = 1,
        strides: Any = None,
        in_spatial_dims: Any = None,
        out_spatial_dims: Any = None,
        use_channel_first: Any = None,
        use_time_mask: bool | None = None,
    ) -> Tensor:
        kind = str(mode).lower()
        if kind not in ("max", "avg"):
            raise self.error("mode", mode, "'max' or 'avg' is needed")
        w = windows.window(
            self, pool_size, pool_size if strides is None else strides, dilation_rate, padding, "pool_size"
        )
        if not isinstance(self.node.get("in_dim"), Dim) and isinstance(self.node.get("out_dim"), Dim):
            source = source.as_feature(self.node.get("out_dim"))
        x, first = windows.arrange(self, source, len(w.sizes), in_spatial_dims)
        if set(w.sizes) == {1} and set(w.strides) == {1}:
            return source
        if use_time_mask and kind == "avg" and self.takes_padding_in:
            raise self.error("use_time_mask", True, "whether frames beyond the end count in means is not defined")
        positions, counted = x.dims[first:-1], None
        pads = windows.paddings(w, positions, x.shape[first:-1])
        if self.masks(use_time_mask):
            fill = -jnp.inf if kind == "max" else 0.0
            if kind == "avg" and any(layout.ragged(d) for d in positions):
                ones = windows.masked(x.like(jnp.ones_like(x.data)), first, len(w.sizes), 0)
                if not self.takes_padding_in:
                    ones, _ = windows.from_own_starts(ones, first, w, pads, 0.0)
                counted = windows.merged_batch(ones, first)
            x = windows.masked(x, first, len(w.sizes), fill)
            if not self.takes_padding_in:
                x, pads = windows.from_own_starts(x, first, w, pads, fill)
        data = pool(windows.merged_batch(x, first), w, pads, kind, counted)
        y = windows.rebuilt(x, data, first, windows.out_dims(self, w, positions, out_spatial_dims), x.dims[-1])
        if kind == "avg" or not self.masks(use_time_mask):
            return y
        return windows.masked(y, first, len(w.sizes), 0.0)  # windows beyond the end hold -inf, which ruins gradients


def pool(
    x: jax.Array, w: windows.Window, padding: list[windows.Pair], mode: str, counted: jax.Array | None = None
) -> jax.Array:
    """Pooling of (batch, *positions, features).

    Args:
      x: the array.
      w: the window.
      padding: what is added before and after, for each axis.
      mode: "max" or "avg".
      counted: 1 for entries that count in averages with "SAME", 0 for others; None if all do.
    """
    window, strides, dilations = ((1, *sizes, 1) for sizes in (w.sizes, w.strides, w.dilations))
    around = [(0, 0), *padding, (0, 0)]
    kind, counted = "mean" if mode == "avg" else mode, None if counted is None else counted[..., :1]
    return functional.pooled(x, kind, window, strides, around, dilations, whole=w.padding != "SAME", counted=counted)


@layer("transposed_conv")
class TransposedConv(windows.Sliding):
    """The transposition of a convolution: from its outputs to its inputs' size.

    Parameters: `W_native_transposed_conv` (*filter_size, out, in), over one axis (size, 1, out, in); `bias` (out).

    Input [B, *positions, F], output [B, *positions * strides, n_out].
    Source: Zeiler et al. 2010, "Deconvolutional networks".
    """

    def forward(
        self,
        source: Tensor,
        *,
        filter_size: Any,
        strides: Any = None,
        padding: str = "same",
        remove_padding: Any = 0,
        output_padding: Any = None,
        in_spatial_dims: Any = None,
        out_spatial_dims: Any = None,
        with_bias: bool = True,
        activation: Any = None,
        forward_weights_init: Any = "glorot_uniform",
        bias_init: Any = 0.0,
        filter: Tensor | None = None,
        filter_perm: Any = None,
        bias: Tensor | None = None,
        use_time_mask: bool | None = None,
    ) -> Output:
        kind = str(padding).upper()
        if kind not in ("SAME", "VALID"):
            raise self.error("padding", padding, "'same' or 'valid' is needed")
        w = windows.window(self, filter_size, filter_size if strides is None else strides, 1, kind, "filter_size")
        n = len(w.sizes)
        x, first = windows.arrange(self, source, n, in_spatial_dims)
        x = windows.masked(x, first, n, 0.0) if self.masks(use_time_mask) else x
        removed = self._per_axis("remove_padding", remove_padding, n)
        extra = self._per_axis("output_padding", output_padding, n)
        positions = x.dims[first:-1]
        out = self._channels()
        if filter is None:
            one = (1,) if n == 1 else ()  # over one axis it is stored as one over two
            shape = (*w.sizes, *one, out, x.dims[-1])
            weights = self.param("W_native_transposed_conv", shape, forward_weights_init)
        else:
            weights = (filter if filter_perm is None else permuted(self, filter, filter_perm, "filter_perm")).data
        weights = weights.reshape((*w.sizes, out.root.size or 0, x.dims[-1].root.size or 0))
        lengths = [output_length(length, w, i, extra[i]) for i, length in enumerate(x.shape[first:-1])]
        dims = [
            output_length(dim, w, i, extra[i]).sub_left(removed[i] or 0) - (removed[i] or 0)
            for i, dim in enumerate(positions)
        ]
        if out_spatial_dims is not None and not any(removed):
            known = sizes.current()
            lengths = [
                known.padded(d) if isinstance(d, Dim) and known.knows(d) else n
                for d, n in zip(out_spatial_dims, lengths, strict=True)
            ]
        data = self._transposed(windows.merged_batch(x, first), weights, w, lengths)
        for i, cut in enumerate(removed):
            if cut:
                data = jax.lax.slice_in_dim(data, cut, data.shape[i + 1] - cut, axis=i + 1)
        if out_spatial_dims is not None:
            for new, given in zip(dims, out_spatial_dims, strict=True):
                if not sizes.current().knows(given):
                    new.declare_same_as(given)
            dims = list(out_spatial_dims)
        y = windows.rebuilt(x, data, first, dims, out)
        if bias is not None:
            y = y.like(y.data + ops.aligned(bias, y.dims))
        elif with_bias:
            y = y.like(y.data + self.param("bias", (out,), bias_init))
        return activations.apply(self, y, activation)

    def _channels(self) -> Dim:
        n_out = self.node.get("n_out")
        return self.feature_out() if n_out is None else self.new_dim("channel", n_out, "feature")

    def _per_axis(self, option: str, value: Any, n: int) -> list[Any]:
        values = list(value) if isinstance(value, (list, tuple)) else [value] * n
        if len(values) != n or not all(v is None or isinstance(v, int) for v in values):
            raise self.error(option, value, f"a number, or {n} of them, is needed")
        return values

    @staticmethod
    def _transposed(x: jax.Array, weights: jax.Array, w: windows.Window, lengths: list[int]) -> jax.Array:
        """The gradient of a convolution with respect to its input, which has these lengths."""
        shape = (x.shape[0], *lengths, weights.shape[-2])
        plain = windows.Window(w.sizes, w.strides, w.dilations, w.padding)
        pads = windows.paddings(plain, [Dim(n) for n in lengths], lengths)

        def forward(y: jax.Array) -> jax.Array:
            return convolve(y, weights, plain, pads)

        out = jax.eval_shape(forward, jax.ShapeDtypeStruct(shape, x.dtype)).shape
        if out != x.shape:
            fits = [(0, max(0, a - b)) for a, b in zip(out, x.shape, strict=True)]
            x = jnp.pad(x, fits)[tuple(slice(0, n) for n in out)]
        return jax.linear_transpose(forward, jax.ShapeDtypeStruct(shape, x.dtype))(x)[0]


def output_length(length: Any, w: windows.Window, i: int, extra: int | None) -> Any:
    """How long an axis is after a transposed convolution; for a number or a dim."""
    size, stride = w.sizes[i], w.strides[i]
    longer = length * stride if stride != 1 else length
    if extra is not None:
        pad = size // 2 if w.padding == "SAME" else 0
        more = size - stride - 2 * pad + extra
    else:
        more = max(size - stride, 0) if w.padding == "VALID" else 0
    return longer + more if more else longer
